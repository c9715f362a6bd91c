import type { Origin } from '../../data/connection/act.js';
import type { Outside } from '../../data/connection/outside.js';
import { newId } from '../../data/id.js';
import type { LockedDb, OpenOrganizationDb, RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { notFound, OrgateError } from '../../errors.js';
import { enrolMember } from '../../rights/enrol-member.js';
import type { Use } from '../../parts.js';
import { assertSeatFree } from '../../rights/seats.js';
import { type Joinable, type Joiner, openJoinable } from './outside.js';
import { tellOfRequest } from './tell-of-request.js';

export interface JoiningParts {
  readonly outside: Outside;
  readonly organizationDb: OpenOrganizationDb;
  readonly use: Use;
}

/**
 * Lets in whoever just signed in to the deployment, where the domain of their e-mail says AUTO. Whether that works or not,
 * they are signed in.
 */
export const createJoinOnSignIn =
  ({ outside, organizationDb, use }: JoiningParts, onError: (error: unknown) => void) =>
  async (person: Joiner, from?: Origin): Promise<void> => {
    try {
      const joinable = await outside(openJoinable)(person);
      if (joinable?.joining !== 'AUTO') return;
      const { id, name } = person;
      await joinByDomain(person, joinable, organizationDb(joinable.orgId, { kind: 'PERSON', id, name, ...from }), use);
    } catch (error) {
      // Of several first requests at once, the others find them a member.
      if (!(error instanceof OrgateError) || error.code !== 'NOT_FOUND') onError(error);
    }
  };

/**
 * Asks for a person to join the organization that holds the domain of their e-mail; where the domain says AUTO and a seat
 * is free, makes them a member; where they are to wait, whoever may answer is told. What was asked stays asked, and a request that was declined
 * stays so.
 *
 * @param db the organization's; everything that let the person in this far is read again under its lock
 * @throws NOT_FOUND when the organization is no longer joinable
 */
export function joinByDomain(
  person: Joiner,
  { orgId, domain: name }: Joinable,
  db: RequestDb,
  use: Use,
): Promise<Row<'JoinRequest'>> {
  return db.locked(async (inside) => {
    const domain = await inside.organizationDomain.find({ name, status: 'VERIFIED' });
    if (!domain || domain.joining === 'MANUAL' || inside.held.status !== 'ACTIVE') throw notFound();
    const own = await inside.membership.find({ userId: person.id });
    const known = [own, await inside.membership.find({ email: person.email })].filter((each) => each !== null);
    if (known.some(({ status, mayRejoin }) => status !== 'REMOVED' || !mayRejoin)) throw notFound();

    const before = await inside.joinRequest.find({ personId: person.id });
    if (before?.status === 'DECLINED' && known.length === 0) return before;
    const isLetIn = domain.joining === 'AUTO' && (await isSeatFree(inside));
    if (before?.status === 'PENDING' && !isLetIn) return before;
    if (isLetIn) {
      const assignment = { role: domain.joiningRole, granted: [], withheld: [] };
      await enrolMember(inside, person, assignment, { reactivateRemoved: true });
    }
    const { email, name: calledBy } = person;
    const request = {
      email,
      name: calledBy,
      domain: name,
      status: isLetIn ? 'APPROVED' : 'PENDING',
      decidedAt: isLetIn ? inside.now() : null,
      decidedById: null,
    } as const;
    const asked = before
      ? await inside.joinRequest.update({ id: before.id }, request)
      : await inside.joinRequest.create({ id: newId('jrq'), personId: person.id, ...request });
    if (!isLetIn) await tellOfRequest(inside, orgId, asked, use);
    return asked;
  });
}

const isSeatFree = (db: LockedDb): Promise<boolean> =>
  assertSeatFree(db).then(
    () => true,
    (error: unknown) => {
      if (error instanceof OrgateError && error.code === 'CONFLICT') return false;
      throw error;
    },
  );
