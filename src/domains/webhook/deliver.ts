import { z } from 'zod';
import { PUBLIC_URL, REAL_TIME, type Deployment } from '../../context/deployment.js';
import { newId, type OrgId } from '../../data/id.js';
import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { EGRESS, type EgressAnswer, PrivateAddressError } from '../../egress/egress.js';
import type { WebhookProblem } from '../../generated/enums.js';
import type { Done, DueKind, DueRun } from '../../jobs/due-kind.js';
import { decideFeature } from '../../permissions/features.js';
import { SEAL } from '../../secrets/organization-seal.js';
import { readPlaces, STRETCH } from '../audit-entry/index.js';
import { disable } from './disable.js';
import { EVERY_EVENT, eventOf } from './event.js';
import { signatureHeaders } from './sign.js';

type Webhook = Row<'Webhook'>;
type Delivery = Row<'WebhookDelivery'>;

/** So many of a webhook wait at once; the rest are entries of the record, which are there anyway. */
const MOST_OPEN = 20;
/** What was refused so often waits long: it keeps no place from what is new. */
const FEW_ATTEMPTS = 3;
/** So many of a webhook wait in all, refused ones included. */
const MOST_REFUSED = 200;
/** So many of a webhook are sent at once. */
const AT_ONCE = 5;
/** In milliseconds. */
export const TIMES = {
  /** How long the other side has for an answer. */
  try: 15_000,
  /** A webhook that has much to be told is told for so long, and then it is the turn of others. */
  turn: 10_000,
};
/** Of the places of a replica, so many are for those at once that were slow lately: the others are for those that answer. */
const MOST_SLOW = 50;
/** Of these, so many are one organization's. */
const MOST_SLOW_OF_ONE = 10;
/** So long takes one that is slow, in milliseconds. */
const SLOW_MS = 5000;
/** Of so many tries. */
const LATELY = 20;
/** How long one waits for a place that was slow lately, in milliseconds; or until more is sealed; then it is looked again. */
const SLOW_AGAIN_MS = 5000;
const KEPT_BYTES = 1024;
const KEPT_ATTEMPTS = 1000;

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** The pauses between the tries, as Standard Webhooks have them: together some three days. */
export const PAUSES_MS: readonly number[] = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR_MS),
];
/** What is tried earlier, since the other side took something else, has so long all the same. */
const TRIED_MS = PAUSES_MS.reduce((sum, pause) => sum + pause, 0);
/** So seldom that is tried which the other side may refuse alone. */
const TRIED_AGAIN_MS = 5 * MINUTE_MS;
/** So much longer they may be by chance: what failed together does not come again together. */
const JITTER = 0.2;

/**
 * Tells one webhook what it is not told yet. One row of work for each: what is slow keeps one place, and of nobody else. Those that were slow
 * lately have half of the places: 100 that hang keep nobody waiting longer than it takes them to do so for the first time.
 */
export function deliveriesIn(times = TIMES, random = Math.random): DueKind<object> {
  const slow: OrgId[] = [];
  const pace = { ...times, random };
  return {
    name: 'webhook',
    payload: z.object({}),
    atOnce: 100,
    async run(run, deployment) {
      const { db, orgId } = run;
      if (!(await wasSlow(run))) return deliver(run, deployment, pace);
      if (slow.length >= MOST_SLOW || slow.filter((id) => id === orgId).length >= MOST_SLOW_OF_ONE) {
        return { again: new Date(db.now().getTime() + SLOW_AGAIN_MS * (1 + random())) };
      }
      slow.push(orgId);
      try {
        return await deliver(run, deployment, pace);
      } finally {
        slow.splice(slow.indexOf(orgId), 1);
      }
    },
  };
}

export const DELIVERIES = deliveriesIn();

interface Pace {
  readonly try: number;
  readonly turn: number;
  /** From 0 to 1. */
  readonly random: () => number;
}

async function deliver(run: DueRun<object>, deployment: Deployment, pace: Pace): Promise<Done> {
  const { db, subject: id, signal } = run;
  const end = performance.now() + pace.turn;
  for (;;) {
    const webhook = await db.webhook.find({ id });
    const organization = await db.organization.find({});
    if (!webhook || !organization) return {};
    // Whose work stops with it, and goes on with it.
    if (organization.status !== 'ACTIVE') return { again: db.now() };
    if (!decideFeature(organization, 'webhooks').enabled) return { again: new Date(db.now().getTime() + HOUR_MS) };
    const isActive = webhook.status === 'ACTIVE';
    const isMore = isActive && (await takeUp(run, webhook, end));
    // Of one that is told nothing, tests alone.
    const open = await db.webhookDelivery.list({
      where: { webhookId: id, ...(!isActive && { sequence: null }) },
      orderBy: { dueAt: 'asc', id: 'asc' },
      take: AT_ONCE,
    });
    const now = db.now();
    const due = open.filter(({ dueAt }) => dueAt <= now);
    const [next] = open;
    if (due.length === 0) {
      if (isMore) return { again: now };
      return next ? { again: next.dueAt } : {};
    }
    const secrets = await secretsOf(webhook, run, deployment);
    const tried = due.map(async (delivery) => ({
      isTaken: await attempt(run, deployment, { webhook, delivery, secrets, pace }),
      isTest: delivery.sequence === null,
    }));
    const taken = (await Promise.all(tried)).filter(({ isTaken }) => isTaken);
    const isAsked = taken.some(({ isTest }) => isTest);
    if (taken.length > 0) await tryWhatWaits(db, id, isAsked);
    await forgetAttempts(db, id);
    if (signal.aborted || performance.now() > end) return { again: db.now() };
  }
}

/** Whether the other side took long for one of its last tries, or for ever. */
async function wasSlow({ db, subject: webhookId }: DueRun<object>): Promise<boolean> {
  const last = await db.webhookAttempt.list({ where: { webhookId }, orderBy: { id: 'desc' }, take: LATELY });
  return last.some(({ problem, durationMs }) => problem === 'TIMEOUT' || durationMs >= SLOW_MS);
}

/**
 * Makes deliveries of what stands behind the last place that was looked at, as many as there is room for.
 *
 * @returns whether there is more that could be taken up at once
 */
async function takeUp({ db, orgId, signal }: DueRun<object>, webhook: Webhook, end: number): Promise<boolean> {
  const { id, events, updatedAt } = webhook;
  const where = { outcome: 'DONE', ...(events[0] !== EVERY_EVENT && { action: { in: events } }) } as const;
  const waiting = { webhookId: id, sequence: { gt: 0n } } as const;
  const [all, fresh] = [
    await db.webhookDelivery.count(waiting),
    await db.webhookDelivery.count({ ...waiting, attempts: { lt: FEW_ATTEMPTS } }),
  ];
  let room = Math.min(MOST_OPEN - fresh, MOST_REFUSED - all);
  let handledTo = webhook.handledTo;
  while (room > 0) {
    const places = await readPlaces(db, Number(handledTo) + 1, Number(handledTo) + STRETCH, where);
    const wanted = places.flatMap(({ entry, seal }) => (entry ? [{ entry, sequence: seal.sequence }] : []));
    const taken = wanted.slice(0, room);
    const to = taken.length < wanted.length ? taken.at(-1)?.sequence : places.at(-1)?.seal.sequence;
    if (to === undefined) return false;
    if (taken.length > 0) {
      const now = db.now();
      const rows = taken.map(({ entry, sequence }) => ({
        id: newId('whd'),
        webhookId: id,
        eventId: entry.id,
        event: entry.action,
        sequence,
        body: JSON.stringify(eventOf(orgId, entry, Number(sequence))),
        happenedAt: entry.at,
        createdAt: now,
        dueAt: now,
      }));
      // Those that a process ended before it could say so are there already.
      await db.webhookDelivery.createMany(rows, { skipTaken: true });
    }
    // Only if nobody set it back, or changed what is wanted.
    if ((await db.webhook.updateMany({ id, handledTo, updatedAt }, { handledTo: to, updatedAt })) === 0) return true;
    handledTo = to;
    room -= taken.length;
    // A record may be long, and hold little that is wanted.
    if (taken.length > 0 || signal.aborted || performance.now() > end) return true;
  }
  return false;
}

/** Those that sign now. */
async function secretsOf(webhook: Webhook, { db, orgId }: DueRun<object>, { use }: Deployment): Promise<string[]> {
  const { id, secret, previousSecret, previousSecretUntil } = webhook;
  const isBoth = previousSecret !== null && previousSecretUntil !== null && previousSecretUntil > db.now();
  const place = { orgId, table: 'webhook', id };
  return Promise.all([secret, ...(isBoth ? [previousSecret] : [])].map((sealed) => use(SEAL).open(db, sealed, place)));
}

interface Try {
  readonly webhook: Webhook;
  readonly delivery: Delivery;
  readonly secrets: readonly string[];
  readonly pace: Pace;
}

interface Outcome {
  readonly status: number | null;
  readonly problem: WebhookProblem | null;
  readonly answer: string | null;
  /** How long the other side wants to be left alone. */
  readonly retryAfterMs: number;
}

/** @returns whether the other side took it */
async function attempt(run: DueRun<object>, deployment: Deployment, each: Try): Promise<boolean> {
  const { db, signal } = run;
  const { webhook, delivery, pace } = each;
  const began = performance.now();
  const at = db.now();
  const { retryAfterMs, ...outcome } = await send(run, deployment, each);
  if (signal.aborted) return false; // it is sent again, and nobody is blamed
  const { id, webhookId, event, sequence } = delivery;
  const durationMs = Math.round(performance.now() - began);
  const row = { id: newId('wha'), webhookId, deliveryId: id, event, sequence, at, durationMs, ...outcome };
  const isKept = await db.webhookAttempt.create(row).then(
    () => true,
    async (error: unknown) => {
      if (await db.webhook.find({ id: webhookId })) throw error;
      return false; // it was deleted meanwhile
    },
  );
  if (!isKept) return false;
  const { attempts, dueAt: wasDue, createdAt } = delivery;
  const isLast = attempts >= PAUSES_MS.length && at.getTime() - createdAt.getTime() >= TRIED_MS;
  const because = outcome.status === 410 ? 'GONE' : sequence !== null && isLast ? 'FAILED' : null;
  // As it was read: what somebody had sent again meanwhile is.
  const asRead = { id, attempts, dueAt: wasDue };
  // Of a test there is one try.
  if (outcome.problem === null || sequence === null) await db.webhookDelivery.delete(asRead);
  if (outcome.problem === null) return true;
  if (because) await disable(run, deployment, webhook, because);
  if (because || sequence === null) return false;
  const pause = PAUSES_MS[attempts] ?? PAUSES_MS.at(-1) ?? DAY_MS;
  const inMs = Math.max(pause * (1 + pace.random() * JITTER), retryAfterMs);
  const dueAt = new Date(db.now().getTime() + inMs);
  await db.webhookDelivery.updateMany(asRead, { attempts: attempts + 1, dueAt });
  return false;
}

/**
 * The other side is there: what it refused while it was not is due now.
 *
 * @param isAsked somebody tried it by hand; otherwise what was tried just now is left alone, which it may refuse for good
 */
async function tryWhatWaits(db: RequestDb, webhookId: string, isAsked: boolean): Promise<void> {
  const now = db.now();
  const where = { webhookId, sequence: { gt: 0n }, dueAt: { gt: now } };
  const waiting = await db.webhookDelivery.list({ where, orderBy: { id: 'asc' }, take: MOST_REFUSED });
  if (waiting.length === 0) return;
  const ids = waiting.map(({ id }) => id);
  const since = new Date(now.getTime() - TRIED_AGAIN_MS);
  const left = isAsked
    ? []
    : await db.webhookAttempt.group('deliveryId', { deliveryId: { in: ids }, at: { gt: since } });
  const isLeft = new Set(left.map(({ key }) => key));
  await db.webhookDelivery.updateMany({ ...where, id: { in: ids.filter((id) => !isLeft.has(id)) } }, { dueAt: now });
}

async function send({ orgId, signal }: DueRun<object>, { use }: Deployment, each: Try): Promise<Outcome> {
  const { webhook, delivery, secrets, pace } = each;
  const url = new URL(webhook.url);
  const whom = { purpose: 'webhook', orgId } as const;
  const egress = use(EGRESS);
  const late = AbortSignal.timeout(pace.try); // read below, which keeps it: no signal that is made of it does
  const { body, eventId: id } = delivery;
  // Told by the time that is everybody's: the other side refuses what is old.
  const headers = {
    'content-type': 'application/json',
    'user-agent': `orgate (${use(PUBLIC_URL)()})`,
    ...signatureHeaders({ id, at: use(REAL_TIME)(), body }, secrets),
  };
  try {
    const request = { method: 'POST', headers, body, signal: AbortSignal.any([signal, late]) };
    const answer = await egress.send(url, request, KEPT_BYTES, whom);
    return outcomeOf(answer, egress.isNamed(url, whom));
  } catch (error) {
    const problem = error instanceof PrivateAddressError ? 'INSIDE' : late.aborted ? 'TIMEOUT' : 'UNREACHABLE';
    return { status: null, problem, answer: null, retryAfterMs: 0 };
  }
}

const DECODER = new TextDecoder();

/** @param isNamed the host may be inside: what it says is shown to nobody */
function outcomeOf({ status, headers, body }: EgressAnswer, isNamed: boolean): Outcome {
  const isTaken = status >= 200 && status <= 299;
  const wanted = /^\d{1,9}$/.exec(headers['retry-after'] ?? '')?.[0];
  const isBusy = status === 429 || status === 503;
  return {
    status,
    problem: isTaken ? null : 'STATUS',
    // The database keeps no NUL in text.
    answer: isNamed ? null : DECODER.decode(body).replaceAll('\0', '\uFFFD'),
    retryAfterMs: isBusy && wanted !== undefined ? Math.min(Number(wanted) * SECOND_MS, DAY_MS) : 0,
  };
}

/** Those that are more than are kept go. */
async function forgetAttempts(db: RequestDb, webhookId: string): Promise<void> {
  const [last] = await db.webhookAttempt.list({
    where: { webhookId },
    orderBy: { id: 'desc' },
    skip: KEPT_ATTEMPTS,
    take: 1,
  });
  if (last) await db.webhookAttempt.delete({ webhookId, id: { lte: last.id } });
}
