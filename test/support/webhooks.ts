import { setTimeout as wait } from 'node:timers/promises';
import { PUBLIC_URL, REAL_TIME } from '../../src/context/deployment.js';
import type { OrgId } from '../../src/data/id.js';
import { openSealing } from '../../src/domains/audit-entry/outside.js';
import { DELIVERIES, deliveriesIn, TIMES } from '../../src/domains/webhook/deliver.js';
import { THIS_MACHINE } from '../../src/egress/allow.js';
import { createEgress, EGRESS, type Egress } from '../../src/egress/egress.js';
import type { DueWorkLimits } from '../../src/jobs/due-work.js';
import { Parts } from '../../src/parts.js';
import { SEAL } from '../../src/secrets/organization-seal.js';
import { byTest } from './act.js';
import { type DueReplica, openReplica, seal } from './due-work.js';
import type { Receiver } from './receiver.js';
import { type Client, codeOf, type TestServer } from './server.js';

/** Reaches this machine as if it were any other. */
const AS_IF_OUTSIDE: Egress = { ...createEgress(THIS_MACHINE), isNamed: () => false };

interface Deliverer {
  /** The way out; `AS_IF_OUTSIDE` when left out. */
  readonly egress?: Egress;
  /** How long the other side has for an answer, in milliseconds; what it always has when left out. */
  readonly tryMs?: number;
  /** How long it is the turn of one webhook, in milliseconds. */
  readonly turnMs?: number;
  /** What the pauses are longer by: from 0 to 1. */
  readonly random?: () => number;
  readonly parts?: Parts;
  readonly limits?: DueWorkLimits;
}

/** Delivers beside the server's own, as another replica does. */
export function openDeliverer(server: TestServer, of: Deliverer = {}): DueReplica {
  const { egress = AS_IF_OUTSIDE, tryMs = TIMES.try, turnMs = TIMES.turn, random, parts = new Parts(), limits } = of;
  parts
    .add(EGRESS, egress)
    .add(SEAL, seal)
    .add(PUBLIC_URL, () => server.url)
    .add(REAL_TIME, () => server.database.pool.clock.real());
  const kinds = [deliveriesIn({ try: tryMs, turn: turnMs }, random) as never];
  return openReplica(server, { kinds, parts, ...(limits && { limits }) });
}

/** Seals whatever waits of a record. */
export async function sealAll({ database }: TestServer, orgId: OrgId): Promise<void> {
  while ((await database.outside(openSealing).seal(orgId, 1000)) > 0);
}

/** What is to be done for the webhooks of an organization. */
export const workOf = ({ database }: TestServer, orgId: OrgId) =>
  database.organizationDb(orgId, byTest).dueWork.list({ where: { kind: DELIVERIES.name }, orderBy: {}, take: 100 });

/** Seals, and sends what is due by then; waits for what others send meanwhile. */
export async function deliver(server: TestServer, orgId: OrgId, by: DueReplica): Promise<void> {
  await sealAll(server, orgId);
  for (;;) {
    // This process knows the database's time to a few milliseconds.
    const now = new Date(server.database.pool.clock.now().getTime() + 1000);
    const rows = await workOf(server, orgId);
    const due = rows.filter(({ dueAt, takenAt }) => takenAt === null && dueAt <= now);
    if (due.length === 0 && rows.every(({ takenAt }) => takenAt === null)) return;
    for (const { id } of due) by.dispatch({ orgId, id });
    await by.close();
    if (due.length === 0) await wait(20);
  }
}

/** Lets time pass until the next try of an organization's deliveries. */
export async function passToNextTry(server: TestServer, orgId: OrgId): Promise<void> {
  const { clock } = server.database.pool;
  const next = (await workOf(server, orgId)).map(({ dueAt }) => dueAt.getTime()).toSorted((a, b) => a - b)[0];
  if (next !== undefined) clock.advance(Math.max(0, Math.ceil(next - clock.now().getTime())) + 1000);
}

const CREATE = `mutation ($url: String!, $events: [String!]!) {
  createWebhook(input: { url: $url, events: $events }) { secret webhook { id } }
}`;

/** @param events all when left out */
export async function givenWebhook(
  owner: Client,
  to: Pick<Receiver, 'url'>,
  events: readonly string[] = ['*'],
): Promise<{ id: string; secret: string }> {
  const answer = await owner(CREATE as string, { url: to.url, events });
  if (answer.errors.length > 0) throw new Error(JSON.stringify([codeOf(answer), answer.errors]));
  const { secret, webhook } = answer.data.createWebhook as { secret: string; webhook: { id: string } };
  return { id: webhook.id, secret };
}
