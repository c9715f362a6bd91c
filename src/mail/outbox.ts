import type { ListDueMail, WaitingMail } from '../data/due-mail.js';
import { newId, type OrgId } from '../data/id.js';
import type { OrganizationDb } from '../data/organization-db.js';
import type { Seal } from '../data/seal.js';
import { OrgateError } from '../errors.js';
import { type Mail, type Mailer, MailRefusedError } from './mail.js';

/**
 * Mail is written in the transaction that is its reason, sent after it, and tried again until it goes: what was
 * committed is told, and nothing is told that was not. A mail may go out twice where a process ends in between.
 */
export interface Outbox {
  /**
   * Writes a mail into the outbox of an organization. It goes out with the next round, or at once by `dispatch`.
   *
   * @param db the organization's, in the transaction that is the mail's reason
   * @param invitationId whose mail status tells how it went
   */
  queue(db: OrganizationDb, orgId: OrgId, mail: Mail, invitationId?: string): Promise<WaitingMail>;
  /** Sends a mail in the background, now that its transaction is committed. Never fails. */
  dispatch(mail: WaitingMail): void;
  /** Sends what is due, of every organization. */
  sendDue(): Promise<void>;
  /** Waits for what is being sent. */
  close(): Promise<void>;
}

export interface OutboxParts {
  readonly mailer: Mailer;
  readonly seal: Seal;
  readonly organizationDb: (orgId: OrgId) => OrganizationDb;
  readonly listDueMail: ListDueMail;
  /** Told of each attempt that failed. */
  readonly onFailure: (error: unknown, mail: WaitingMail) => void;
}

/** Sending at once is left to `dispatch` for this long. */
const FIRST_ROUND_MS = 60_000;
const LONGEST_WAIT_MS = 6 * 3_600_000;
/** With the waits between them, more than a day. */
const MAX_ATTEMPTS = 12;
const BATCH = 50;

const waitAfter = (attempts: number): number => Math.min(2 ** attempts * 60_000, LONGEST_WAIT_MS);
const purposeOf = ({ orgId, id }: WaitingMail): string => `outgoing_mail/${orgId}/${id}`;

export function createOutbox({ mailer, seal, organizationDb, listDueMail, onFailure }: OutboxParts): Outbox {
  const sending = new Set<Promise<void>>();

  const send = async (waiting: WaitingMail): Promise<void> => {
    const db = organizationDb(waiting.orgId);
    const claimed = await claim(db, waiting.id);
    if (!claimed) return;
    try {
      const mail = JSON.parse(await seal.open(claimed.sealed, purposeOf(waiting))) as Mail;
      await mailer.send(mail, waiting.id);
    } catch (error) {
      onFailure(error, waiting);
      const isRefused = error instanceof MailRefusedError;
      const mailProblem = isRefused ? error.message : 'The mail server could not be reached.';
      const isOver = isRefused || claimed.attempts >= MAX_ATTEMPTS;
      return settle(db, claimed, isOver ? { mailStatus: 'FAILED', mailProblem } : { mailProblem }, isOver);
    }
    await settle(db, claimed, { mailStatus: 'SENT', mailProblem: null }, true);
  };

  return {
    async queue(db, orgId, mail, invitationId) {
      const waiting = { orgId, id: newId('mal') };
      await db.outgoingMail.create({
        id: waiting.id,
        sealed: await seal.seal(JSON.stringify(mail), purposeOf(waiting)),
        nextAttemptAt: new Date(Date.now() + FIRST_ROUND_MS),
        ...(invitationId !== undefined && { invitationId }),
      });
      return waiting;
    },
    dispatch(waiting) {
      const sent = send(waiting)
        .catch((error: unknown) => onFailure(error, waiting))
        .finally(() => sending.delete(sent));
      sending.add(sent);
    },
    async sendDue() {
      for (const waiting of await listDueMail(BATCH)) {
        await send(waiting).catch((error: unknown) => onFailure(error, waiting));
      }
    },
    async close() {
      await Promise.all(sending);
      mailer.close();
    },
  };
}

type Claimed = NonNullable<Awaited<ReturnType<typeof claim>>>;

/** Takes a mail for one attempt: whoever counts it up has it until the next one is due. */
async function claim(db: OrganizationDb, id: string) {
  const waiting = await db.outgoingMail.find({ id });
  if (!waiting) return null;
  const { attempts } = waiting;
  const isSomeoneElses = attempts > 0 && waiting.nextAttemptAt.getTime() > Date.now();
  if (isSomeoneElses) return null;
  const nextAttemptAt = new Date(Date.now() + waitAfter(attempts + 1));
  return db.outgoingMail.update({ id, attempts }, { attempts: attempts + 1, nextAttemptAt }).catch((error: unknown) => {
    if (error instanceof OrgateError && error.code === 'NOT_FOUND') return null;
    throw error;
  });
}

/** What became of it; `isOver` takes it out of the outbox. */
function settle(
  db: OrganizationDb,
  { id, invitationId }: Claimed,
  outcome: { mailStatus?: string; mailProblem: string | null },
  isOver: boolean,
): Promise<void> {
  return db.transaction(async (tx) => {
    if (isOver) await tx.outgoingMail.delete({ id });
    if (invitationId !== null) await tx.invitation.update({ id: invitationId }, outcome);
  });
}
