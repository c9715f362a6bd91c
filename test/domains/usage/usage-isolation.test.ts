import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { newId } from '../../../src/data/id.js';
import { unique } from '../../support/given.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

const RECORD = 'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate event { quantity } } }';
const BATCH = `mutation ($input: [RecordUsageInput!]!) {
  recordUsageBatch(input: $input) { outcomes { duplicate event { quantity } error { code message argument } } } }`;
const CORRECT =
  'mutation ($input: CorrectUsageInput!) { correctUsage(input: $input) { duplicate event { quantity } } }';

const give = (db: OrganizationDb, idempotencyKey = unique('key')) =>
  db.usageEvent.create({
    id: newId('use'),
    idempotencyKey,
    metric: 'images',
    quantity: 100n,
    costMicros: 100n,
    occurredAt: new Date(),
    recordedAt: new Date(),
    day: new Date().toISOString().slice(0, 10),
    createdById: 'usr_x',
  });

/** An event that every organization may have by this id, with a key of its own. */
const giveShared = async ({ slug }: Target, db: OrganizationDb): Promise<string> => {
  const idempotencyKey = `shared-${slug}`;
  const at = new Date();
  const event = {
    id: 'use_shared',
    idempotencyKey,
    metric: 'images',
    quantity: 100n,
    costMicros: 100n,
    createdById: 'usr_x',
  };
  const when = { occurredAt: at, recordedAt: at, day: at.toISOString().slice(0, 10) };
  await db.usageEvent.createMany([{ ...event, ...when }], { skipTaken: true });
  return idempotencyKey;
};

const theirRun = { foreign: ({ runId }: Target) => runId, unknown: never('run') };
const theirKey = {
  foreign: async (_acme: Target, db: OrganizationDb) => (await give(db)).idempotencyKey ?? '',
  unknown: () => unique('key'),
};
const used = { metric: 'tokens', quantity: 1 };

describeIsolation({
  'Query.usageEvents.after': fromCursor('after', 'usageEvents', 'usageEvents DAY DESC', '9999-12-31', 'use_z'),
  'Query.usageEvents.before': fromCursor('before', 'usageEvents', 'usageEvents DAY DESC', '', 'use_'),
  'Mutation.recordUsage.input.runId': {
    query: RECORD,
    ...theirRun,
    variables: (runId: string) => ({ input: { ...used, runId, idempotencyKey: 'same' } }),
  },
  'Mutation.recordUsage.input.idempotencyKey': {
    query: RECORD,
    ...theirKey,
    variables: (idempotencyKey: string) => ({ input: { ...used, idempotencyKey } }),
  },
  'Mutation.recordUsageBatch.input.runId': {
    query: BATCH,
    ...theirRun,
    variables: (runId: string) => ({ input: [{ ...used, runId, idempotencyKey: 'same' }] }),
  },
  'Mutation.recordUsageBatch.input.idempotencyKey': {
    query: BATCH,
    ...theirKey,
    variables: (idempotencyKey: string) => ({ input: [{ ...used, idempotencyKey }] }),
  },
  'Mutation.correctUsage.input.eventId': {
    query: CORRECT,
    foreign: async (_acme: Target, db: OrganizationDb) => (await give(db)).id,
    unknown: never('use'),
    variables: (eventId: string) => ({ input: { eventId, quantity: -1, reason: 'x', idempotencyKey: 'same' } }),
  },
  'Mutation.correctUsage.input.idempotencyKey': {
    query: CORRECT,
    foreign: giveShared,
    unknown: () => unique('key'),
    variables: (idempotencyKey: string) => ({
      input: { eventId: 'use_shared', quantity: 1, reason: 'x', idempotencyKey },
    }),
  },
});
