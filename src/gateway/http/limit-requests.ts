import type { FastifyInstance } from 'fastify';
import type { RequestContext } from '../../context/context.js';
import type { Viewer } from '../../context/viewer.js';
import { OrgateError } from '../../errors.js';
import type { MutationResolvers, QueryResolvers } from '../../generated/graphql.js';
import { asError } from '../../thrown.js';
import { sendProblem } from '../pages/problem-page.js';
import type { Allowance, Counted, RateLimit, RateLimits } from './rate-limits.js';
import type { RequestRecord } from './request-record.js';

/** Root fields that are limited more strictly than a request. Each time one is asked for counts, aliases too. */
const FIELDS: Readonly<Record<string, RateLimit>> = {
  inviteUser: 'invitation',
  resendInvitation: 'invitation',
  startImpersonation: 'invitation', // it mails every OWNER
  setCostLimits: 'invitation', // so does each threshold that it leaves behind
  acceptInvitation: 'acceptance',
  declineInvitation: 'acceptance',
  requestNewInvitation: 'acceptance',
  requestToJoin: 'acceptance',
  switchOrganization: 'switching',
  compareOrganizations: 'switching', // it opens every secret that it compares
  promoteSettings: 'switching',
  createOrganization: 'creation',
  createOrganizationSet: 'creation',
  extendOrganizationSet: 'creation',
  checkOrganizationNames: 'creation', // it tells which names are taken
} satisfies Partial<Record<keyof MutationResolvers | keyof QueryResolvers, RateLimit>>;

/** Paths that are, by how their routes begin. The first that fits counts; null is not limited any further. */
const PATHS: readonly (readonly [path: string, limit: RateLimit | null])[] = [
  ['/auth/token', null], // every browser renews its tokens here, many of them behind one address
  ['/auth/organizations', null], // where whoever has signed in comes out
  ['/auth/sign-out', null], // whoever came in too often still goes out
  ['/auth', 'signIn'],
  ['/invitations', 'acceptance'],
];

/** Whoever watches over the process must never be told that it asks too often. */
const UNLIMITED: ReadonlySet<unknown> = new Set(['/livez', '/readyz']);

/** Counts every request against its address, before anything more is read of it. */
export function limitAddresses(app: FastifyInstance, limits: RateLimits): void {
  app.addHook('onRequest', (request, reply, done) => {
    // The route as it was declared: a client can spell a path in many ways.
    const route = request.routeOptions.url;
    if (UNLIMITED.has(route)) return done();
    const [, stricter = null] = PATHS.find(([path]) => route?.startsWith(path)) ?? [];
    const refuse = (error: unknown): void => {
      if (!(error instanceof OrgateError)) return done(asError(error));
      const { code, message, detail } = error;
      void reply.header('retry-after', String(detail.retryAfter));
      sendProblem(request, reply, { status: 429, code, message, detail });
    };
    try {
      const counted = limits.count('address', request.network);
      if (!stricter && !(counted instanceof Promise)) return done();
      Promise.resolve(counted)
        .then(() => stricter && limits.count(stricter, request.network))
        .then(() => done(), refuse);
    } catch (error) {
      refuse(error);
    }
  });
}

/** What every request costs, whatever it asks for. */
const REQUEST = 1;

/** Ordinary requests are smaller, and pay for nothing but themselves. */
const FREE_BYTES = 16_384;
/** Beyond that, what a point pays for: JSON of many parts takes a millisecond for every few kilobytes. */
const BYTES_A_POINT = 50;

const pointsOf = (bytes: number): number => Math.ceil(Math.max(bytes - FREE_BYTES, 0) / BYTES_A_POINT);

/**
 * Counts a request against who asks and then, if that passes, against their organization: nobody uses up its share alone.
 * It costs a point by itself, so that whoever has none left is refused before anything of theirs is read, and more where its
 * body is large.
 *
 * @param bytes that were announced of its body
 */
export async function limitViewer(limits: RateLimits, bytes: number, context: RequestContext): Promise<void> {
  const cost: Points = { reading: REQUEST + pointsOf(bytes), running: 0 };
  const caller = callerOf(context);
  // Both counts of one party at once: where Redis keeps them, that is one way there and back.
  const own = caller && both(limits.count(caller.requests, caller.subject), charge(limits, cost, caller, context));
  const left = own instanceof Promise ? await own : own;
  const theirs = callersOrganization(context);
  const shared = theirs && both(limits.count(theirs.requests, theirs.subject), charge(limits, cost, theirs, context));
  noteTighter(cost, context, left, shared instanceof Promise ? await shared : shared);
}

/** Charges a body of which only now is known how large it was. @throws RATE_LIMITED */
export async function chargeBytes(limits: RateLimits, bytes: number, context: RequestContext): Promise<void> {
  const reading = pointsOf(bytes);
  if (reading > 0) await chargePoints(limits, { reading, running: 0 }, context);
}

type Counting = ReturnType<RateLimits['count']>;

const both = (requests: Counting, points: Counting): Counting =>
  requests instanceof Promise || points instanceof Promise
    ? Promise.all([requests, points]).then(([, left]) => left as Counted)
    : points;

/** Whom requests and points count against. */
interface Party {
  readonly requests: RateLimit;
  readonly points: RateLimit;
  readonly subject: string;
}

function callerOf({ viewer }: RequestContext): Party | null {
  if (viewer?.person) return { requests: 'person', points: 'personPoints', subject: subjectOf(viewer.person, viewer) };
  if (viewer?.executor) return { requests: 'key', points: 'keyPoints', subject: viewer.executor.id };
  if (viewer?.claim) return { requests: 'key', points: 'keyPoints', subject: viewer.claim.runId };
  return viewer?.apiKey ? { requests: 'key', points: 'keyPoints', subject: viewer.apiKey.id } : null;
}

/** Only who was let into an organization is charged to it, or strangers could use up what it has. */
const callersOrganization = ({ current }: RequestContext): Party | null =>
  current && { requests: 'organization', points: 'organizationPoints', subject: current.orgId };

/**
 * A person; in a session that one organization's own provider opened, the person there: whoever runs that provider can open
 * such sessions, and must neither see nor use up what the person has elsewhere. Nor does who acts as a member use up theirs.
 */
const subjectOf = ({ id }: { readonly id: string }, { session: { boundOrgId }, impersonation }: Viewer): string =>
  boundOrgId === null ? id : `${impersonation?.by.id ?? id}@${boundOrgId}`;

/** What an operation costs, in points: reading it, and running it. */
export interface Points {
  readonly reading: number;
  readonly running: number;
}

/**
 * Charges points to who asks and then, if that passes, to their organization. What is refused does not run, and costs
 * nobody more than the reading.
 *
 * @throws RATE_LIMITED with what the request would have cost, and what is left
 */
export async function chargePoints(limits: RateLimits, points: Points, context: RequestContext): Promise<void> {
  const [caller, theirs] = [callerOf(context), callersOrganization(context)];
  const own = caller && charge(limits, points, caller, context);
  const left = own instanceof Promise ? await own : own;
  try {
    const shared = theirs && charge(limits, points, theirs, context);
    noteTighter(points, context, left, shared instanceof Promise ? await shared : shared);
  } catch (error) {
    await left?.giveBack(points.running);
    throw error;
  }
}

/**
 * Charges what is read on and on, a part at a time. Where too little is left for the next one, it waits until there is more.
 *
 * @param wait for so many seconds
 */
export async function chargeOnceLeft(
  limits: RateLimits,
  running: number,
  context: RequestContext,
  wait: (seconds: number) => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      return await chargePoints(limits, { reading: 0, running }, context);
    } catch (error) {
      if (!(error instanceof OrgateError) || error.detail.retryAfter === undefined) throw error;
      await wait(error.detail.retryAfter);
    }
  }
}

/** So long any statement may take: one that finds its rows by an index takes a few milliseconds, also far away. */
const FREE_MS = 100;
/** For each millisecond beyond: whatever way there is to make one slow, it is paid for. */
const POINTS_A_MS = 50;

/** Charges the time that a statement took, once that is known, to the caller and to their organization. @returns points */
export function chargeTime(limits: RateLimits, ms: number, context: RequestContext): number {
  const reading = Math.floor((ms - FREE_MS) * POINTS_A_MS);
  if (reading <= 0) return 0;
  const parties = [callerOf(context), callersOrganization(context)];
  const left = parties.map((party) => party && limits.spend(party.points, party.subject, reading));
  const note = (all: readonly (Allowance | null)[]) => noteTighter({ reading, running: 0 }, context, ...all);
  const known = left.filter((each): each is Allowance | null => !(each instanceof Promise));
  if (known.length === left.length) note(known);
  else void Promise.all(left.map(async (each) => each)).then(note);
  return reading;
}

/** What the request has cost with these points. */
const costWith = ({ reading, running }: Points, { spending }: RequestContext): number =>
  (spending?.cost ?? 0) + reading + running;

function charge(limits: RateLimits, points: Points, party: Party, context: RequestContext): Counting {
  const refuse = (error: unknown): never => {
    if (!(error instanceof OrgateError)) throw error;
    const cost = costWith(points, context);
    const { limit = 0, remaining = 0, resetAt = new Date() } = error.detail;
    context.noteSpending({ limit: Number(limit), remaining, resetAt, cost });
    throw new OrgateError(error.code, error.message, { ...error.detail, cost });
  };
  try {
    const counted = limits.count(party.points, party.subject, points.reading + points.running, points.running);
    return counted instanceof Promise ? counted.catch(refuse) : counted;
  } catch (error) {
    return refuse(error);
  }
}

function noteTighter(points: Points, context: RequestContext, ...left: (Allowance | null)[]): void {
  const [first, ...others] = left.filter((each) => each !== null);
  if (!first) return;
  const tighter = others.reduce((least, each) => (each.remaining < least.remaining ? each : least), first);
  const { limit, remaining, resetAt } = tighter;
  context.noteSpending({ limit, remaining, resetAt, cost: costWith(points, context) });
}

/**
 * Counts the root fields that are limited more strictly, before any of them runs.
 *
 * @param fields all that are asked for, each as often as it is
 * @throws RATE_LIMITED
 */
export async function limitFields(
  limits: RateLimits,
  fields: readonly string[],
  context: RequestContext,
  { address }: Pick<RequestRecord, 'address'>,
): Promise<void> {
  for (const [limit, times] of limitedFields(fields)) {
    for (const subject of subjectsOf(limit, context, address)) await limits.count(limit, subject, times);
  }
}

/**
 * Whom a limit counts against: anyone can sign up twice, and mail to strangers is also the doing of the organization that
 * lets them invite. Who may not is refused, and uses up nobody's share but their own; nor does a key its owner's.
 */
function subjectsOf(limit: RateLimit, context: RequestContext, address: string | null): string[] {
  const { viewer, current } = context;
  const mayInvite = viewer?.person && current?.permissions.has('member:invite');
  const subjects = [
    callerOf(context)?.subject,
    ...(limit === 'invitation' && mayInvite ? [current?.orgId] : []),
    ...(limit === 'acceptance' || limit === 'creation' ? [address] : []),
  ];
  return subjects.filter((each) => each != null);
}

/** How often each limit is asked for. */
function limitedFields(fields: readonly string[]): Map<RateLimit, number> {
  const times = new Map<RateLimit, number>();
  for (const name of fields) {
    const limit = Object.hasOwn(FIELDS, name) && FIELDS[name];
    if (limit) times.set(limit, (times.get(limit) ?? 0) + 1);
  }
  return times;
}
