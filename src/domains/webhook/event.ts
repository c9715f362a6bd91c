import type { Row } from '../../data/organization/table.js';
import type { WebhookEvent } from '../../generated/graphql.js';
import type { WholeRecord } from '../../resource/record.js';

/** All there are. */
export const EVERY_EVENT = '*';
export const TEST_EVENT = 'webhook.test';

/** Kinds of things that belong to no organization: its record has no entries of them. */
const OF_THE_DEPLOYMENT: ReadonlySet<string> = new Set([
  'account',
  'account_administrator',
  'executor',
  'identity',
  'organization_elsewhere',
  'organization_set',
  'person',
  'signing_key',
  'system_admin',
]);

/** What something is when it is made and never becomes later: that it was made is told as `created`. */
const BEGINNINGS: ReadonlySet<string> = new Set(['approval.pending', 'domain.pending', 'run.awaiting_approval']);

/** What an organization can be told of, by name: what may stand in its record as done. */
export const eventsOf = ({ actions }: WholeRecord): string[] =>
  [...actions.keys()]
    .filter((name) => !OF_THE_DEPLOYMENT.has(name.split('.')[0] ?? '') && !BEGINNINGS.has(name))
    .filter((name) => !/\.(read|manage|remove|invite)$/.test(name))
    .toSorted();

type Entry = Pick<Row<'AuditEntry'>, 'id' | 'action' | 'at' | 'targetType' | 'targetId' | 'actorKind' | 'actorId'>;

/** What is sent: ids, and nothing that somebody has rights to read or has not. */
export const eventOf = (orgId: string, entry: Entry, sequence: number) => ({
  id: entry.id,
  type: entry.action,
  sequence,
  timestamp: entry.at.toISOString(),
  data: {
    organizationId: orgId,
    targetType: entry.targetType,
    targetId: entry.targetId,
    actorKind: entry.actorKind,
    actorId: entry.actorId,
  },
});

export const testEvent = (orgId: string, id: string, webhookId: string, at: Date) => ({
  id,
  type: TEST_EVENT,
  sequence: null,
  timestamp: at.toISOString(),
  data: { organizationId: orgId, targetType: 'webhook', targetId: webhookId, actorKind: 'SYSTEM', actorId: null },
});

const EXAMPLE_AT = new Date('2026-11-30T08:30:00.000Z');

/** Every event that there is, each with what is sent of it. */
export const eventTypes = (record: WholeRecord, orgId: string): WebhookEvent[] =>
  eventsOf(record).map((name, index) => {
    const targetType = name.split('.')[0] ?? '';
    const entry = {
      id: 'aud_6440b6de7d7c0a5b0f3f4d2c8e91b7a2',
      action: name,
      at: EXAMPLE_AT,
      targetType,
      targetId: '…',
      actorKind: 'PERSON',
      actorId: 'usr_2jqb9v5m0c3f6h8k1n4p7r0s2u',
    } as const;
    return { name, description: record.actions.get(name) ?? '', example: eventOf(orgId, entry, index + 1) };
  });
