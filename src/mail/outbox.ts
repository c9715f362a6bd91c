import { setTimeout as wait } from 'node:timers/promises';
import type { Outside } from '../data/connection/outside.js';
import { newId, type OrgId } from '../data/id.js';
import type { OrganizationDb } from '../data/organization/organization-db.js';
import { fewAtOnce } from '../jobs/few-at-once.js';
import { part } from '../parts.js';
import type { Seal } from '../secrets/seal.js';
import { type MailAttempt, type MailOutcome, openMailAttempts } from './attempts.js';
import { type Mail, type Mailer, MailRefusedError } from './mail.js';
import { openDueMail, type WaitingMail } from './outside.js';

/**
 * Mail is written in the transaction that is its reason, sent after it, and tried again until it goes: what was
 * committed is told, and nothing is told that was not. A mail may go out again where a process ends in between, or the
 * database cannot be told that it went: later each time, and at most as often as one that fails is tried.
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
  /** Sends what is due, of every organization, until it is told to stop. */
  sendDue(signal?: AbortSignal): Promise<void>;
  /** Waits for what is being sent, for some seconds. */
  close(): Promise<void>;
}

export const OUTBOX = part<Outbox>('outbox');

export interface OutboxParts {
  readonly mailer: Mailer;
  readonly seal: Seal;
  readonly outside: Outside;
  /** Told of each attempt that failed. */
  readonly onFailure: (error: unknown, mail: WaitingMail) => void;
  /** Told how each attempt ended; what failed is tried again, what was refused is not. */
  readonly onAttempt?: (outcome: 'sent' | 'failed' | 'refused') => void;
  /** Told by each round how many mails it found due. */
  readonly onDue?: (count: number) => void;
}

/** In milliseconds. */
export interface OutboxLimits {
  /** How long sending one mail may take, however alive the mail server seems: less than a mail's first wait. */
  readonly send: number;
  /** The pauses between attempts to write down that a mail was sent. */
  readonly tellAgain: readonly number[];
  /** How long closing waits before it gives up what is being sent. */
  readonly close: number;
}

const LIMITS: OutboxLimits = { send: 60_000, tellAgain: [500, 1000, 2000, 4000, 8000, 15_000, 15_000], close: 5_000 };

/** Sending at once is left to `dispatch` for this long; where the process ended before it, the next round sends. */
const FIRST_ROUND_MS = 5_000;
/** With the waits between them, more than a day. */
const MAX_ATTEMPTS = 12;
const BATCH = 50;
/**
 * Mails that are sent at once by rounds, and as many by `dispatch`: neither holds up the other, and the mail server sees
 * ten connections of a replica at the most.
 */
const AT_ONCE = 5;
/** How often an attempt says that it is still under way. It ends by itself, after a minute at the latest. */
const EXTEND_MS = 4000;
/** Mails that wait in memory for their turn; more are left to the rounds. */
const MOST_WAITING = 200;

const purposeOf = ({ orgId, id }: WaitingMail): string => `outgoing_mail/${orgId}/${id}`;

export function createOutbox(parts: OutboxParts, limits: OutboxLimits = LIMITS): Outbox {
  const { mailer, seal, outside, onFailure, onAttempt, onDue } = parts;
  const mailAttempts = outside(openMailAttempts);
  const sending = new Set<Promise<void>>();
  const atOnce = fewAtOnce(AT_ONCE, MOST_WAITING);
  const closed = new AbortController();
  const closeSoon = () => void setTimeout(() => closed.abort(), limits.close).unref();

  const send = async (waiting: WaitingMail): Promise<void> => {
    if (closed.signal.aborted) return;
    const attempt = await mailAttempts.begin(waiting);
    if (!attempt) return;
    // Whether it ever went, nobody could write down.
    if (attempt.attempts > MAX_ATTEMPTS) return mailAttempts.end(attempt, failed('It is unknown whether it was sent.'));
    const until = performance.now() + limits.send;
    const extending = setInterval(() => {
      if (performance.now() > until) return clearInterval(extending);
      mailAttempts.extend(attempt).catch((error: unknown) => onFailure(error, waiting));
    }, EXTEND_MS).unref();
    try {
      const mail = JSON.parse(await seal.open(attempt.sealed, purposeOf(waiting))) as Mail;
      await mailer.send(mail, waiting.id, AbortSignal.any([AbortSignal.timeout(limits.send), closed.signal]));
    } catch (error) {
      onFailure(error, waiting);
      const isRefused = error instanceof MailRefusedError;
      onAttempt?.(isRefused ? 'refused' : 'failed');
      const problem = isRefused ? error.message : 'The mail server could not be reached.';
      const isOver = isRefused || attempt.attempts >= MAX_ATTEMPTS;
      return mailAttempts.end(attempt, isOver ? failed(problem) : { status: 'QUEUED', problem });
    } finally {
      clearInterval(extending);
    }
    onAttempt?.('sent');
    await tellSent(attempt);
  };

  /** It is out, and would go out again: that it went is told until the database has heard it. */
  const tellSent = async (attempt: MailAttempt): Promise<void> => {
    for (const pause of [...limits.tellAgain, null]) {
      try {
        return await mailAttempts.end(attempt, { status: 'SENT', problem: null });
      } catch (error) {
        if (pause === null || closed.signal.aborted) throw error;
        await wait(pause, undefined, { signal: closed.signal }).catch(() => undefined);
      }
    }
  };
  const trySend = (waiting: WaitingMail): Promise<void> =>
    send(waiting).catch((error: unknown) => onFailure(error, waiting));

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
      const sent = atOnce(() => trySend(waiting)).finally(() => sending.delete(sent));
      sending.add(sent);
    },
    async sendDue(signal) {
      signal?.addEventListener('abort', closeSoon, { once: true });
      const due = await outside(openDueMail)(BATCH);
      onDue?.(due.length);
      const sendNext = async (): Promise<void> => {
        for (let next = due.shift(); next && !signal?.aborted; next = due.shift()) await trySend(next);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, sendNext));
      signal?.removeEventListener('abort', closeSoon);
    },
    async close() {
      closeSoon();
      await Promise.all(sending);
      mailer.close();
    },
  };
}

const failed = (problem: string): MailOutcome => ({ status: 'FAILED', problem });
