import type { Row } from '../../data/organization/table.js';
import type { Letter } from '../../mail/letter.js';
import { notify } from '../notification/index.js';
import type { Telling } from './tell-deciders.js';

/** Who has it come to an end: a member; null where it comes by itself. */
export type By = { readonly id: string; readonly name: string } | null;

/** Where an approval ends, and by whom. */
export interface Ending extends Telling {
  readonly by: By;
}

type Over = Row<'Approval'> & { readonly status: Exclude<Row<'Approval'>['status'], 'PENDING'> };

export const isOver = (approval: Row<'Approval'>): approval is Over => approval.status !== 'PENDING';

/**
 * Tells whoever started something what became of its approval, in the transaction in which that is so; not of what they did themselves. Service
 * accounts are told nothing.
 */
export async function tellSubmitter({ db, orgId, use, by }: Ending, approval: Over): Promise<void> {
  const { id, submittedById } = approval;
  if (by?.id === submittedById) return;
  const { name: organization } = await db.organization.get({});
  const news = {
    kind: 'APPROVAL',
    targetId: id,
    occasion: `approval-over/${id}`,
    letter: notice(approval, organization, by),
  } as const;
  await notify(db, orgId, { userIds: [submittedById] }, news, use);
}

function notice({ status, subjectId, reason }: Over, organization: string, by: By): Letter {
  const run = `the run ${subjectId} that you started in ${organization}`;
  const who = by?.name ?? 'Somebody';
  const { subject, what } = {
    APPROVED: {
      subject: `A run of yours in ${organization} was approved`,
      what: by ? `${who} approved ${run}.` : `By itself ${run} was approved.`,
    },
    REJECTED: {
      subject: `A run of yours in ${organization} was not approved`,
      what: `${who} did not approve ${run}: it is CANCELLED.`,
    },
    CANCELLED: {
      subject: `A run of yours in ${organization} was taken back`,
      what: `${who} took back ${run}, while it waited to be approved: it is CANCELLED.`,
    },
    EXPIRED: {
      subject: `A run of yours in ${organization} was not approved in time`,
      what: `In 30 days nobody decided on ${run}: it is CANCELLED.`,
    },
  }[status];
  // Of the others it says nothing that does not stand there already.
  const isSaid = reason !== null && (status === 'REJECTED' || status === 'APPROVED');
  return {
    subject,
    parts: [
      what,
      ...(isSaid ? [by ? 'They say why:' : 'Why:', reason] : []),
      'To look at it:',
      { code: `{ run(id: "${subjectId}") { status error approval { status reason } } }` },
    ],
  };
}
