import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { END, cursorOf, describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

const hookOf = (db: OrganizationDb) =>
  db.webhook.create({
    id: newId('whk'),
    url: 'https://hooks.example/',
    events: ['repository.created'],
    secret: 'x',
    secretMadeAt: new Date(),
    handledTo: 0n,
  });
const deliveryOf = async (db: OrganizationDb) => {
  const sent = { webhookId: (await hookOf(db)).id, event: 'repository.created', sequence: 1n } as const;
  const { id: deliveryId } = await db.webhookDelivery.create({
    ...sent,
    id: newId('whd'),
    eventId: newId('evt'),
    body: '{}',
    dueAt: new Date(Date.now() + 3_600_000),
    happenedAt: new Date(),
  });
  await db.webhookAttempt.create({ ...sent, id: newId('wha'), deliveryId, at: new Date(), durationMs: 1 });
  return deliveryId;
};

const theirs = {
  foreign: async (_acme: Target, db: OrganizationDb) => (await hookOf(db)).id,
  unknown: never('whk'),
  variables: (id: string) => ({ id }),
};
const ofAttempts = (argument: 'after' | 'before') => ({
  query: `mutation ($cursor: String) {
    createWebhook(input: { url: "https://203.0.113.9/", events: ["*"] }) {
      webhook { attempts(${END[argument]}, ${argument}: $cursor) { nodes { id } } }
    }
  }`,
  foreign: ({ id }: Target) => cursorOf(id, 'attempts AT DESC', 'A'),
  unknown: () => cursorOf('org_0', 'attempts AT DESC', 'A'),
  variables: (cursor: string) => ({ cursor }),
});

describeIsolation({
  'Query.webhook.id': { query: 'query ($id: ID!) { webhook(id: $id) { id url } }', ...theirs },
  'Query.webhooks.after': fromCursor('after', 'webhooks', 'webhooks CREATED_AT ASC', 'A'),
  'Query.webhooks.before': fromCursor('before', 'webhooks', 'webhooks CREATED_AT ASC', 'A'),
  'Webhook.attempts.after': ofAttempts('after'),
  'Webhook.attempts.before': ofAttempts('before'),
  'Webhook.attempts.filter.deliveryId': {
    query: `mutation ($id: ID!) {
      createWebhook(input: { url: "https://203.0.113.9/", events: ["*"] }) {
        webhook { attempts(filter: { deliveryId: $id }) { totalCount nodes { id } } }
      }
    }`,
    foreign: (_acme, db) => deliveryOf(db),
    unknown: never('whd'),
    variables: (id) => ({ id }),
    uncontrolled: 'a webhook that was just made has no attempts',
  },
  'Mutation.updateWebhook.input.id': {
    query: 'mutation ($id: ID!) { updateWebhook(input: { id: $id, status: DISABLED }) { id } }',
    ...theirs,
  },
  'Mutation.deleteWebhook.id': { query: 'mutation ($id: ID!) { deleteWebhook(id: $id) }', ...theirs },
  'Mutation.rotateWebhookSecret.id': {
    query: 'mutation ($id: ID!) { rotateWebhookSecret(id: $id) { webhook { id } } }',
    ...theirs,
  },
  'Mutation.testWebhook.id': { query: 'mutation ($id: ID!) { testWebhook(id: $id) { event } }', ...theirs },
  'Mutation.replayWebhook.id': {
    query: 'mutation ($id: ID!, $from: DateTime!) { replayWebhook(id: $id, from: $from) { id } }',
    ...theirs,
    variables: (id) => ({ id, from: new Date(Date.now() - 60_000).toISOString() }),
  },
  'Mutation.redeliver.deliveryId': {
    query: 'mutation ($id: ID!) { redeliver(deliveryId: $id) { event } }',
    foreign: (_acme, db) => deliveryOf(db),
    unknown: never('whd'),
    variables: (id) => ({ id }),
  },
});
