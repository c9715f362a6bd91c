import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { SESSION_ISSUER } from '../../context/deployment.js';
import type { Act } from '../../data/connection/act.js';
import { newId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, type ErrorCode, OrgateError, orNotFound } from '../../errors.js';
import { nowInStay } from '../../identity/stay.js';
import { DUE_WORK } from '../../jobs/due-work.js';
import { parseInput, reference } from '../../resource/input.js';
import { assertServed } from '../../permissions/organization-status.js';
import { assertStillAsking } from '../../rights/actor.js';
import { allowedUntil, grantsInForce } from '../../rights/support-access.js';
import { openEntryWriter } from '../audit-entry/index.js';
import { memberUser } from '../membership/parent.js';
import { openAccess } from './outside.js';
import { toImpersonation } from './parent.js';
import type { record } from './record.js';
import { tellOwners } from './tell-owners.js';

const MINUTES = 30;
const MOST_MINUTES = 60;
/** Of one administrator in one organization: whoever looks at two members side by side needs two. */
const MOST_AT_ONCE = 5;

/**
 * Of one administrator in one organization, whether they are over or not. Its OWNERs are mailed of each, so that what nobody may flood them with
 * is what begins: an access that were not told would be one that begins behind another's mail.
 */
const MOST_BEGUN = 10;
const BEGUN_IN_MS = 10 * 60_000;

const startInput = z.object({
  organizationId: reference,
  userId: reference,
  reason: z
    .string('Must not be null.')
    .trim()
    .min(10, 'At least 10 characters: the organization reads them.')
    .max(500, 'At most 500 characters.'),
  minutes: z
    .int('Must be a whole number.')
    .min(1, 'At least 1.')
    .max(MOST_MINUTES, `At most ${MOST_MINUTES}.`)
    .nullish()
    .transform((minutes) => minutes ?? MINUTES),
});

const BEGUN: keyof typeof record.actions = 'impersonation.created';

/**
 * Lets whoever runs the deployment act as a member of an organization, as far as that allows it.
 *
 * @throws NOT_FOUND for anyone who is not an ACTIVE member there; FORBIDDEN where the organization does not allow it (`reason:
 *   SUPPORT_ACCESS`), or the member runs the deployment, too; CONFLICT past `MOST_AT_ONCE` and `MOST_BEGUN`. Its record tells of each, and of no
 *   member who is none
 */
export async function startImpersonation(input: unknown, context: RequestContext) {
  const { organizationId, userId, reason, minutes } = parseInput(startInput, input);
  const { person, outside, use, origin } = context;
  const { orgId, systemRole } = orNotFound(await outside(openAccess).find(organizationId, userId));
  const act: Act = { kind: 'PERSON', id: person.id, name: person.name, reason, ...origin };
  const db = context.deployment.organizationDb(orgId, { ...act, onBehalfOf: userId });
  let isMember = false;
  const begin = async (inside: LockedDb) => {
    await assertStillAsking(inside, context);
    const found = await inside.membership.find({ userId, status: 'ACTIVE', kind: 'PERSON' });
    isMember = found !== null;
    assertServed(inside.held);
    const until = await assertAllowed(inside);
    const member = orNotFound(found);
    if (systemRole === null) throw new OrgateError('NOT_FOUND');
    if (systemRole !== 'USER') throw new OrgateError('FORBIDDEN', 'Nobody acts as somebody who runs the deployment.');
    const now = nowInStay(inside.now(), member);
    const own = { actorId: person.id, endedAt: null, expiresAt: { gt: now } };
    if ((await inside.impersonation.count(own)) >= MOST_AT_ONCE) {
      throw conflict(`At most ${MOST_AT_ONCE} at once in an organization: end one of them.`);
    }
    const lately = { actorId: person.id, createdAt: { gt: new Date(now.getTime() - BEGUN_IN_MS) } };
    if ((await inside.impersonation.count(lately)) >= MOST_BEGUN) {
      throw conflict(`At most ${MOST_BEGUN} in ten minutes in an organization, whose OWNERs are mailed of each: wait.`);
    }
    const wanted = new Date(now.getTime() + minutes * 60_000);
    const made = await inside.impersonation.create({
      id: newId('imp'),
      actorId: person.id,
      actorName: person.name,
      actorEmail: person.email,
      userId,
      reason,
      scope: (await grantsInForce(inside)).some(({ scope }) => scope === 'WRITE') ? 'WRITE' : 'READ',
      sessionId: context.viewer?.session.id ?? null,
      createdAt: now,
      expiresAt: until !== null && until < wanted ? until : wanted,
    });
    return { made, member, mail: await tellOwners(inside, orgId, made, member, use) };
  };
  const { made, member, mail } = await db.locked(begin).catch(async (error: unknown) => {
    if (error instanceof OrgateError && REFUSED.has(error.code)) {
      const refused = { action: BEGUN, outcome: 'REFUSED', targetType: 'impersonation', onceIn: '1 minute' } as const;
      const by = isMember ? { ...act, onBehalfOf: userId } : act;
      const why = error.detail.reason ?? error.code;
      await outside(openEntryWriter)(orgId, [{ ...refused, act: by, reason: `${why}: ${reason}` }]);
    }
    throw error;
  });
  for (const each of mail) use(DUE_WORK).dispatch(each);
  return {
    token: await use(SESSION_ISSUER).issueActing({ orgId, id: made.id, actorId: person.id, userId }, secondsOf(made)),
    expiresAt: made.expiresAt,
    impersonation: { ...toImpersonation(made, made.createdAt), onBehalfOf: { ...memberUser(member), isMember: false } },
  };
}

/** With what an organization, or who is in it, refuses somebody. */
const REFUSED: ReadonlySet<ErrorCode> = new Set(['NOT_FOUND', 'FORBIDDEN', 'CONFLICT']);

/** @returns until when, see `allowedUntil` */
async function assertAllowed(db: LockedDb): Promise<Date | null> {
  const { supportAccess } = db.held;
  const until = await allowedUntil(db, supportAccess);
  if (until === null || until > db.now()) return until;
  const why = supportAccess === 'DENIED' ? 'lets nobody in' : 'lets nobody in without a grant of its OWNER';
  throw new OrgateError('FORBIDDEN', `This organization ${why}.`, { reason: 'SUPPORT_ACCESS' });
}

/** Others tell the token's end by their clocks, which nobody moves. */
const secondsOf = ({ createdAt, expiresAt }: Row<'Impersonation'>): number =>
  Math.floor((expiresAt.getTime() - createdAt.getTime()) / 1000);
