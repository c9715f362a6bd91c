import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict, notFound, OrgateError } from '../../errors.js';
import type {
  Resolvers,
  WebhookAttemptFilter,
  WebhookAttemptOrderField,
  WebhookFilter,
  WebhookOrderField,
} from '../../generated/graphql.js';
import { addDueWork, dropDueWork } from '../../jobs/due-kind.js';
import { DUE_WORK } from '../../jobs/due-work.js';
import { allow, andCan, canAsPerson, withFeature } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { given, parseInput } from '../../resource/input.js';
import { anyOf, defineList, type ListArgs } from '../../resource/list.js';
import { RECORD } from '../../resource/record.js';
import { deleteRow, updateIfUnchanged } from '../../resource/rows.js';
import { asActor } from '../../rights/actor.js';
import { effective } from '../../rights/escalation.js';
import { SEAL } from '../../secrets/organization-seal.js';
import { codeOf } from '../../thrown.js';
import { openHeldEntryWriter, readHead, readPlaces, STRETCH } from '../audit-entry/index.js';
import { memberUser } from '../membership/parent.js';
import { DELIVERIES } from './deliver.js';
import { letGo } from './disable.js';
import { eventOf, eventTypes, TEST_EVENT, testEvent } from './event.js';
import { record } from './record.js';
import { placeBefore } from './place-before.js';
import { newWebhookSecret } from './sign.js';
import { assertFits, createInput, overlapInput, updateInput } from './webhook-input.js';

/** Beside that to manage webhooks. */
const RECORD_READING = 'audit:read';

const MAX_WEBHOOKS = 20;
const MAX_TESTS = 5;
const HOUR_MS = 3_600_000;
const REPLAYED_MS = 30 * 24 * HOUR_MS;

type Delivery = Row<'WebhookDelivery'>;

/** What somebody asked for who does not wait until it is sent. */
interface Asked {
  readonly deliveryId: string;
  readonly event: string;
  readonly sequence: bigint | null;
  readonly webhook: Row<'Webhook'>;
}

const toAsked = ({ id: deliveryId, event, sequence }: Delivery, webhook: Row<'Webhook'>): Asked => ({
  deliveryId,
  event,
  sequence,
  webhook,
});

const webhooks = defineList('Webhook', {
  name: 'webhooks',
  orders: { CREATED_AT: { by: 'id' }, URL: { by: 'url' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['url'],
  where: ({ filter }: ListArgs<WebhookOrderField, WebhookFilter>) => anyOf({ status: filter?.status }),
});

const attempts = defineList('WebhookAttempt', {
  name: 'attempts',
  orders: { AT: { by: 'id' } },
  usual: { field: 'AT', direction: 'DESC' },
  where: ({ filter }: ListArgs<WebhookAttemptOrderField, WebhookAttemptFilter>) => ({
    ...anyOf({ problem: filter?.problem }),
    ...given({ deliveryId: filter?.deliveryId ?? undefined }),
  }),
});

/** Works as someone who may manage them now, under the organization's lock. */
const asManager = <T>(context: RequestContext, work: (db: LockedDb) => Promise<T>): Promise<T> =>
  asActor(context, 'webhook:manage', work);

/** The same, of what has entries of the record told: who may not read it does not read it from a URL of their own. */
const asReader = <T>(context: RequestContext, work: (db: LockedDb) => Promise<T>): Promise<T> =>
  asActor(context, 'webhook:manage', async (db, actor) => {
    if (!effective(context.catalogue, actor).has(RECORD_READING))
      throw new OrgateError('FORBIDDEN', undefined, { requiredPermission: RECORD_READING });
    return work(db);
  });

const sealSecret = (db: OrganizationDb, id: string, secret: string, { use, organization }: RequestContext) =>
  use(SEAL).seal(db, secret, { orgId: organization.orgId, table: 'webhook', id });

/** What was sealed before it could be woken by that, since it was not there or not ACTIVE yet, is told so soon. */
const SOON_MS = 2000;

/** The newest place of the record: what comes behind it is told. */
const headOf = async ({ db }: RequestContext): Promise<bigint> => (await readHead(db))?.sequence ?? 0n;

/** Has what waits of a webhook sent. */
const wake = (db: OrganizationDb, id: string, inMs = 0): Promise<string> =>
  addDueWork(db, DELIVERIES, { subject: id, payload: {}, dueAt: new Date(db.now().getTime() + inMs) });

/** Writes that something was asked of a webhook which changes nothing of it. */
async function tell(
  action: 'webhook.tested' | 'webhook.redelivered' | 'webhook.replayed',
  webhookId: string,
  { outside, organization, act }: RequestContext,
  changes?: Record<string, readonly [unknown, unknown]>,
): Promise<void> {
  await outside(openHeldEntryWriter)(organization.orgId, [
    { act, action, outcome: 'DONE', targetType: 'webhook', targetId: webhookId, ...(changes && { changes }) },
  ]);
}

/** Works as either of them, and sends at once what was made of it. */
async function sending<T extends { readonly webhook: Row<'Webhook'> }>(
  context: RequestContext,
  as: typeof asManager,
  work: (db: LockedDb) => Promise<T>,
): Promise<T> {
  const { organization, use } = context;
  const [made, id] = await as(context, async (db) => {
    const it = await work(db);
    return [it, await wake(db, it.webhook.id)] as const;
  });
  use(DUE_WORK).dispatch({ orgId: organization.orgId, id }, DELIVERIES.name);
  return made;
}

async function createWebhook(input: unknown, context: RequestContext) {
  const columns = parseInput(createInput, input);
  await assertFits(columns, context);
  const handledTo = await headOf(context);
  const [id, secret] = [newId('whk'), newWebhookSecret()];
  return asReader(context, async (db) => {
    if ((await db.webhook.count({})) >= MAX_WEBHOOKS) {
      throw conflict(`An organization has at most ${MAX_WEBHOOKS} webhooks.`);
    }
    const sealed = await sealSecret(db, id, secret, context);
    const made = { createdById: context.actorId, secretMadeAt: db.now(), handledTo };
    const row = { ...columns, id, secret: sealed, ...made };
    const webhook = await db.webhook.create(row);
    await wake(db, id, SOON_MS);
    return { webhook, secret };
  });
}

async function updateWebhook(input: unknown, context: RequestContext) {
  const { id, expectedUpdatedAt, status, ...changes } = parseInput(updateInput, input);
  await assertFits(changes, context);
  const head = await headOf(context);
  // Whoever only stops one has nobody read more.
  const isStop = status === 'DISABLED' && Object.keys(given(changes)).length === 0;
  return (isStop ? asManager : asReader)(context, async (db) => {
    const before = await db.webhook.get({ id });
    const update = async (more: object = {}) => {
      const after = await updateIfUnchanged(db.webhook, id, expectedUpdatedAt, { ...given(changes), ...more });
      if (after.status === 'ACTIVE') await wake(db, id, SOON_MS);
      return after;
    };
    if (status === undefined || status === before.status) return update();
    if (status === 'DISABLED') {
      return update({ status, disabledBecause: 'BY_HAND', untoldSince: await letGo(db, before) });
    }
    const after = await update({ status, disabledBecause: null, untoldSince: null, handledTo: head });
    // What was taken up while it was switched off is told by a replay, if at all.
    await db.webhookDelivery.delete({ webhookId: id, sequence: { gt: 0n } });
    return after;
  });
}

function rotateWebhookSecret(id: string, overlapHours: unknown, context: RequestContext) {
  const hours = parseInput(overlapInput, overlapHours, 'overlapHours');
  const secret = newWebhookSecret();
  return asManager(context, async (db) => {
    const { secret: before } = await db.webhook.get({ id });
    const now = db.now();
    const previous =
      hours === 0
        ? { previousSecret: null, previousSecretUntil: null }
        : { previousSecret: before, previousSecretUntil: new Date(now.getTime() + hours * HOUR_MS) };
    const sealed = await sealSecret(db, id, secret, context);
    const webhook = await db.webhook.update({ id }, { secret: sealed, secretMadeAt: now, ...previous });
    // It may have been given up since nobody could read the one before.
    await wake(db, id);
    return { webhook, secret };
  });
}

/** What was sent meanwhile is written down meanwhile, and is in the way. */
const DELETIONS = 5;

async function deleteWebhook(id: string, context: RequestContext): Promise<string> {
  const remove = () =>
    asManager(context, async (db) => {
      await dropDueWork(db, DELIVERIES, id);
      await db.webhookDelivery.delete({ webhookId: id });
      await db.webhookAttempt.delete({ webhookId: id });
      return deleteRow(db.webhook, id);
    });
  for (let tries = 1; tries < DELETIONS; tries += 1) {
    try {
      return await remove();
    } catch (error) {
      if (codeOf(error) !== 'CONFLICT') throw error;
    }
  }
  return remove();
}

const testWebhook = (id: string, context: RequestContext): Promise<Asked> =>
  sending(context, asManager, async (db) => {
    const webhook = await db.webhook.get({ id });
    if ((await db.webhookDelivery.count({ webhookId: id, event: TEST_EVENT })) >= MAX_TESTS) {
      throw conflict(`${MAX_TESTS} tests wait to be sent.`);
    }
    await tell('webhook.tested', id, context);
    const [now, eventId] = [db.now(), newId('evt')];
    const body = JSON.stringify(testEvent(context.organization.orgId, eventId, id, now));
    const row = { id: newId('whd'), webhookId: id, eventId, event: TEST_EVENT, sequence: null, body };
    return toAsked(await db.webhookDelivery.create({ ...row, happenedAt: now, dueAt: now }), webhook);
  });

const redeliver = (deliveryId: string, context: RequestContext): Promise<Asked> =>
  sending(context, asReader, async (db) => {
    const waiting = await db.webhookDelivery.find({ id: deliveryId });
    const [tried] = await db.webhookAttempt.list({ where: { deliveryId }, orderBy: { id: 'desc' }, take: 1 });
    const of = waiting ?? tried;
    if (!of || of.sequence === null) throw notFound();
    const webhook = await db.webhook.get({ id: of.webhookId });
    if (webhook.status !== 'ACTIVE') throw conflict('The webhook is DISABLED.');
    const sequence = Number(of.sequence);
    await tell('webhook.redelivered', webhook.id, context, { sequence: [null, sequence] });
    const anew = { dueAt: db.now(), attempts: 0, createdAt: db.now() };
    if (waiting) return toAsked(await db.webhookDelivery.update({ id: waiting.id }, anew), webhook);
    const [place] = await readPlaces(db, sequence, sequence);
    if (!place?.entry) throw notFound(); // it was erased
    const { id: eventId, action: event, at: happenedAt } = place.entry;
    const same = await db.webhookDelivery.find({ webhookId: webhook.id, eventId });
    if (same) return toAsked(await db.webhookDelivery.update({ id: same.id }, anew), webhook);
    const body = JSON.stringify(eventOf(context.organization.orgId, place.entry, sequence));
    const row = { id: newId('whd'), webhookId: webhook.id, eventId, event, sequence: of.sequence, body };
    return toAsked(await db.webhookDelivery.create({ ...row, ...anew, happenedAt }), webhook);
  });

async function replayWebhook(id: string, from: Date, context: RequestContext) {
  const now = context.db.now();
  if (from > now || now.getTime() - from.getTime() > REPLAYED_MS) {
    throw badInput('from', 'Must be within the last 30 days.');
  }
  const before = await placeBefore(context.db, from);
  const head = await headOf(context);
  const { webhook } = await sending(context, asReader, async (db) => {
    const found = await db.webhook.get({ id });
    if (found.status !== 'ACTIVE') throw conflict('The webhook is DISABLED.');
    const work = await db.dueWork.find({ kind: DELIVERIES.name, subject: id });
    if (work && head - found.handledTo > STRETCH)
      throw conflict('It is still told what happened before; try again later.');
    await tell('webhook.replayed', id, context, { from: [null, from.toISOString()] });
    const { updatedAt } = found;
    const handledTo = before < found.handledTo ? before : found.handledTo;
    return { webhook: await db.webhook.update({ id }, { handledTo, updatedAt, untoldSince: null }) };
  });
  return webhook;
}

const resolvers = {
  Query: {
    webhooks: (_, args, context) => webhooks.page(args, context),
    webhook: (_, { id }, { db }) => db.webhook.get({ id }),
    webhookEventTypes: (_, _args, { use, organization }) => eventTypes(use(RECORD), organization.orgId),
  },
  Mutation: {
    createWebhook: (_, { input }, context) => createWebhook(input, context),
    updateWebhook: (_, { input }, context) => updateWebhook(input, context),
    deleteWebhook: (_, { id }, context) => deleteWebhook(id, context),
    rotateWebhookSecret: (_, { id, overlapHours }, context) => rotateWebhookSecret(id, overlapHours, context),
    testWebhook: (_, { id }, context) => testWebhook(id, context),
    redeliver: (_, { deliveryId }, context) => redeliver(deliveryId, context),
    replayWebhook: (_, { id, from }, context) => replayWebhook(id, from, context),
  },
  Webhook: {
    attempts: ({ id }, args, context) => attempts.pageOf('webhookId', id, args, context),
    createdBy: async ({ createdById }, _args, { db }) => {
      const member = createdById === null ? null : await db.membership.load(createdById);
      return member && memberUser(member);
    },
    givenUpAt: async ({ id }, _args, { db }) =>
      (await db.dueWork.find({ kind: DELIVERIES.name, subject: id }))?.givenUpAt ?? null,
    previousSecretUntil: ({ previousSecretUntil }, _args, { db }) =>
      previousSecretUntil !== null && previousSecretUntil > db.now() ? previousSecretUntil : null,
  },
} satisfies Resolvers;

const mayManage = canAsPerson('webhook:manage');
const mayTest = withFeature('webhooks', mayManage);
const maySend = withFeature('webhooks', andCan(RECORD_READING, mayManage));

export const webhook = defineDomain({
  resolvers,
  grants: {
    'webhook:manage': {
      from: 'ADMIN',
      may: 'Say which URLs are told what happens in the organization, with audit:read, and see what became of it.',
    },
  },
  record,
  access: {
    Query: { webhooks: mayManage, webhook: mayManage, webhookEventTypes: mayManage },
    Mutation: {
      createWebhook: maySend,
      updateWebhook: mayTest,
      deleteWebhook: mayManage,
      rotateWebhookSecret: mayTest,
      testWebhook: mayTest,
      redeliver: maySend,
      replayWebhook: maySend,
    },
    Webhook: allow,
    WebhookAttempt: allow,
    WebhookDeliveryPayload: allow,
    WebhookEvent: allow,
    WebhookPayload: allow,
  },
  node: {
    prefix: 'whk',
    type: 'Webhook',
    rule: mayManage,
    find: (id, { db }) => db.webhook.load(id),
  },
  due: [DELIVERIES],
});
