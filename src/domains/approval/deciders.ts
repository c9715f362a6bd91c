import type { Outside } from '../../data/connection/outside.js';
import type { OrgId } from '../../data/id.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { isOfStay } from '../../identity/stay.js';
import { openHeldBarredMembers } from '../../identity/set-only.js';
import type { Catalogue } from '../../permissions/catalogue.js';
import { effective } from '../../rights/escalation.js';

/** As many are asked at most: those whom the settings name, or so many OWNERs. */
export const MOST_DECIDERS = 100;

type Member = Row<'Membership'>;
/** What it takes of an approval to say whose turn it is. */
export type Asked = Pick<
  Row<'Approval'>,
  'submittedById' | 'keyMadeById' | 'allowSelfApproval' | 'approverIds' | 'order' | 'escalationToId' | 'escalatesAt'
>;
/** What was said; of another hash than that of what will be done now, or in an earlier stay, it does not count. */
export type Said = Pick<Row<'ApprovalDecision'>, 'decidedById' | 'decision' | 'inputHash' | 'createdAt'>;

/** Whether this member may decide at all: a person who is there now, with the permission. */
const canDecide = (catalogue: Catalogue, { kind, status, ...member }: Member): boolean =>
  kind === 'PERSON' && status === 'ACTIVE' && effective(catalogue, member).has('approval:decide');

/** Whoever started it, in person, by a key that they made for a service account, or acting for a member. */
export const isSubmitter = ({ submittedById, keyMadeById }: Asked, userId: string): boolean =>
  userId === submittedById || userId === keyMadeById;

/** Who decides. */
export interface Deciders {
  /** Whose turn it is. */
  readonly turn: readonly string[];
  /** Who may decide for all of them. */
  readonly escalation: readonly string[];
  /** Those whose turn it was, is or will be. */
  readonly pool: readonly string[];
  /** Whether all have said yes that it takes: of what is PENDING still, others who had to were skipped since, and it takes another yes. */
  readonly isComplete: boolean;
}

/** Members of an organization, as many calls as there are reading them at once. */
export interface Members {
  load(userId: string): Promise<Member | null>;
  owners(): Promise<readonly Member[]>;
  /** Which of them the organization keeps out, whatever they are in it. */
  barred(userIds: readonly string[]): Promise<ReadonlySet<string>>;
}

/** One organization, in a transaction. */
export interface Held {
  readonly db: OrganizationDb;
  readonly orgId: OrgId;
  readonly outside: Outside;
}

export const membersIn = ({ db, orgId, outside }: Held): Members => ({
  load: (userId) => db.membership.load(userId),
  owners: () =>
    db.membership.list({
      where: { role: 'OWNER', status: 'ACTIVE', kind: 'PERSON' },
      orderBy: { userId: 'asc' },
      take: MOST_DECIDERS,
    }),
  barred: (userIds) => outside(openHeldBarredMembers)(orgId, userIds),
});

/**
 * Who decides of an approval that is PENDING, as people are now.
 *
 * @param hash of what will be done now
 */
export async function findDeciders(
  catalogue: Catalogue,
  members: Members,
  asked: Asked,
  said: readonly Said[],
  { hash, now }: { readonly hash: string; readonly now: Date },
): Promise<Deciders> {
  const may = (member: Member | null): member is Member =>
    member !== null && canDecide(catalogue, member) && (asked.allowSelfApproval || !isSubmitter(asked, member.userId));
  const listThose = async (found: readonly (Member | null)[]) => {
    const those = found.filter(may);
    const barred = await members.barred(those.map(({ userId }) => userId));
    return those.filter(({ userId }) => !barred.has(userId));
  };
  const idsOf = async (found: readonly (Member | null)[]) => (await listThose(found)).map(({ userId }) => userId);
  const owners = async () => idsOf(await members.owners());
  const named = await listThose(await Promise.all(asked.approverIds.map((id) => members.load(id))));
  // With none left it is for any of the OWNERs.
  const deciding = named.length > 0 ? named : await listThose(await members.owners());
  const pool = deciding.map(({ userId }) => userId);
  const order = named.length > 0 ? asked.order : 'ANY';
  const agreed = said.filter(({ decision, inputHash }) => decision === 'APPROVE' && inputHash === hash);
  const hasAgreed = (member: Member): boolean =>
    agreed.some(({ decidedById, createdAt }) => decidedById === member.userId && isOfStay(createdAt, member));
  const left = deciding.filter((member) => !hasAgreed(member)).map(({ userId }) => userId);
  const isComplete = pool.length > 0 && (order === 'ANY' ? left.length < pool.length : left.length === 0);
  const isEscalated = asked.escalatesAt !== null && asked.escalatesAt <= now;
  const to =
    isEscalated && asked.escalationToId !== null ? await idsOf([await members.load(asked.escalationToId)]) : [];
  // Who was skipped may have been about to say no: nobody goes on without them but by another yes, of those who are left or of an OWNER.
  const skipped = isComplete ? await owners() : [];
  const escalation = [...new Set([...skipped, ...(!isEscalated ? [] : to.length > 0 ? to : await owners())])];
  const turn = isComplete ? pool : order === 'SEQUENTIAL' ? left.slice(0, 1) : left;
  return { turn, escalation, pool, isComplete };
}
