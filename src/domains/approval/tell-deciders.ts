import type { OrgId } from '../../data/id.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { inWords } from '../../instant.js';
import type { Letter } from '../../mail/letter.js';
import type { Use } from '../../parts.js';
import { notify } from '../notification/index.js';

/** Of one approval so many are told, however many OWNERs there are. */
const MOST_TOLD = 50;
/** Where so many wait already, whoever decides has heard of them. */
const MOST_WAITING = 100;

export interface Telling {
  readonly db: OrganizationDb;
  readonly orgId: OrgId;
  readonly use: Use;
}

/** Why somebody is told. */
type Occasion = 'their turn' | 'escalated';

type Asked = Row<'Approval'>;

/** Whether so much waits that nobody is told of more. */
const isFlooded = async (db: OrganizationDb): Promise<boolean> =>
  (await db.approval.count({ status: 'PENDING' })) > MOST_WAITING;

/**
 * Tells those of an approval that it is their turn who were not told before, unless so much waits.
 *
 * @param since what is otherwise of it once they know
 * @returns the approval as it is then
 */
export async function tellTurn(
  telling: Telling,
  approval: Asked,
  turn: readonly string[],
  since: Partial<Pick<Asked, 'autoApprovesAt'>> = {},
): Promise<Asked> {
  return (await isFlooded(telling.db)) ? approval : tellNext(telling, approval, turn, since);
}

/** The same, however much waits: for whom a decision has it be the turn of, since people decide one by one. */
export async function tellNext(
  telling: Telling,
  approval: Asked,
  turn: readonly string[],
  since: Partial<Pick<Asked, 'autoApprovesAt'>> = {},
): Promise<Asked> {
  const told = turn.filter((id) => !approval.toldIds.includes(id)).slice(0, MOST_TOLD);
  if (told.length === 0) return approval;
  const { inputHash } = approval;
  const after = await telling.db.approval.update(
    { id: approval.id },
    { toldIds: [...approval.toldIds, ...told], ...since },
  );
  await tellDeciders(telling, { ...after, inputHash }, told, 'their turn');
  return after;
}

/** Whether any of those who are told of an approval was not. */
export const isUntold = ({ toldIds }: Asked, userIds: readonly string[]): boolean =>
  userIds.slice(0, MOST_TOLD).some((id) => !toldIds.includes(id));

/**
 * Tells those to whom it is escalated, once each: first all of them, and later whoever came in the place of others.
 *
 * @returns the approval as it is then
 */
export async function tellEscalated(
  telling: Telling,
  approval: Asked,
  escalation: readonly string[],
  since: Pick<Asked, 'escalatedAt' | 'autoApprovesAt'>,
): Promise<Asked> {
  const asked = escalation.slice(0, MOST_TOLD);
  const isFirst = approval.escalatedAt === null;
  const told = isFirst ? asked : asked.filter((id) => !approval.toldIds.includes(id));
  if (told.length === 0 || (await isFlooded(telling.db))) return approval;
  const toldIds = [...new Set([...approval.toldIds, ...told])];
  const { inputHash } = approval;
  const after = await telling.db.approval.update({ id: approval.id }, { toldIds, ...(isFirst && since) });
  await tellDeciders(telling, { ...after, inputHash }, told, 'escalated');
  return after;
}

/**
 * Tells those whom an approval waits for, in the transaction that has it wait for them.
 *
 * @param approval with the hash of what would be done now
 */
async function tellDeciders(
  { db, orgId, use }: Telling,
  approval: Asked,
  userIds: readonly string[],
  occasion: Occasion,
): Promise<void> {
  const [{ name: organization }, by] = [
    await db.organization.get({}),
    await db.membership.find({ userId: approval.submittedById }),
  ];
  const letter = notice(approval, { organization, by: by?.name ?? 'Somebody', occasion });
  const news = { kind: 'APPROVAL', letter, targetId: approval.id } as const;
  const receivers = { userIds: userIds.slice(0, MOST_TOLD) };
  await notify(
    db,
    orgId,
    receivers,
    { ...news, ...(occasion === 'escalated' && { occasion: `approval-escalated/${approval.id}` }) },
    use,
  );
}

function notice(
  { id, subjectId, inputHash, autoApprovesAt, expiresAt }: Asked,
  { organization, by, occasion }: { organization: string; by: string; occasion: Occasion },
): Letter {
  const otherwise =
    autoApprovesAt && autoApprovesAt < expiresAt
      ? `If nobody decides, it goes on by itself on ${inWords(autoApprovesAt)}.`
      : `If nobody decides, it is cancelled on ${inWords(expiresAt)}.`;
  return {
    subject:
      occasion === 'escalated'
        ? `A run in ${organization} still waits: decide`
        : `A run in ${organization} waits for you`,
    parts: [
      occasion === 'escalated'
        ? `${by} started the run ${subjectId} in ${organization}, and those who were asked have not decided. You may now, alone. ${otherwise}`
        : `${by} started the run ${subjectId} in ${organization}, which waits for you to allow it. ${otherwise}`,
      'Look at what it is to do:',
      {
        code: `{ run(id: "${subjectId}") { agent { name description } input estimatedCostMicros approval { inputHash } } }`,
      },
      'Then say so, or REJECT:',
      {
        code: `mutation { decideApproval(input: { id: "${id}", decision: APPROVE, inputHash: "${inputHash}" }) { status } }`,
      },
    ],
  };
}
