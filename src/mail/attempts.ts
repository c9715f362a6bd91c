import type pg from 'pg';
import { inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import { ROW_TYPES } from '../data/connection/pg-types.js';
import { translateDatabaseError } from '../data/database-error.js';
import { frameOf } from '../data/organization/scope.js';
import type { WaitingMail } from './outside.js';

/** A mail that was taken for one attempt: nobody else takes it until its wait is over. */
export interface MailAttempt extends WaitingMail {
  /** Which attempt it is, from 1. */
  readonly attempts: number;
  readonly sealed: string;
}

/** How an attempt went, for the people who read the invitation that the mail was for. */
export interface MailOutcome {
  readonly status: 'QUEUED' | 'SENT' | 'FAILED';
  readonly problem: string | null;
}

/** Whose turn a mail is, and what becomes of it: each step one statement, by the database's clock alone. */
export interface MailAttempts {
  /**
   * Takes a mail, and writes down when its next attempt is before this one has begun: seconds later the first time, in case
   * this process is killed; after that one that is never told the end of waits as one that failed does.
   *
   * @returns null when it is gone, or someone else's for now
   */
  begin(mail: WaitingMail): Promise<MailAttempt | null>;
  /** Says that the attempt is still under way: nobody else takes the mail for some seconds more. */
  extend(attempt: MailAttempt): Promise<void>;
  /** QUEUED leaves the mail for its next attempt, two minutes later the first time, then twice as long, six hours at the most; SENT and FAILED take it out of the outbox. Says so on its invitation. */
  end(attempt: MailAttempt, outcome: MailOutcome): Promise<void>;
}

const BACKOFF = (attempts: string) => `least(interval '1 minute' * 2 ^ least(${attempts}, 20), interval '6 hours')`;
/** How long an attempt is left alone that says nothing more. */
const TAKEN = `interval '15 seconds'`;

const BEGIN = `
  update outgoing_mail
  set attempts = attempts + 1,
      next_attempt_at = current_timestamp + case attempts when 0 then ${TAKEN} else ${BACKOFF('attempts + 1')} end
  where org_id = $1 and id = $2 and (attempts = 0 or next_attempt_at <= current_timestamp)
  returning attempts, sealed`;

const TELL = `
  update invitation i set mail_status = $3, mail_problem = $4, updated_at = current_timestamp
  from mail where i.org_id = $1 and i.id = mail.invitation_id`;
// Whoever sent it takes it out, whosever it is by now; whoever failed, only while it is theirs.
const SENT = `
  with mail as (delete from outgoing_mail where org_id = $1 and id = $2 returning invitation_id) ${TELL}`;
const FAILED = `
  with mail as (delete from outgoing_mail where org_id = $1 and id = $2 and attempts = $5 returning invitation_id) ${TELL}`;
const QUEUED = `
  with mail as (
    update outgoing_mail set next_attempt_at = current_timestamp + ${BACKOFF('attempts')}
    where org_id = $1 and id = $2 and attempts = $5 returning invitation_id
  ) ${TELL}`;
const EXTEND = `
  update outgoing_mail set next_attempt_at = greatest(next_attempt_at, current_timestamp + ${TAKEN})
  where org_id = $1 and id = $2 and attempts = $3`;

export function openMailAttempts(pool: ScopedPool): MailAttempts {
  const run = <Row extends pg.QueryResultRow>({ orgId }: WaitingMail, text: string, values: unknown[]) =>
    inFrame(frameOf(orgId), () => pool.query<Row>({ text, values: [orgId, ...values], types: ROW_TYPES })).catch(
      (error: unknown) => {
        throw translateDatabaseError(error);
      },
    );
  return {
    async begin(mail) {
      const { rows } = await run<{ attempts: number; sealed: string }>(mail, BEGIN, [mail.id]);
      const [row] = rows;
      return row ? { ...mail, ...row } : null;
    },
    async extend(attempt) {
      await run(attempt, EXTEND, [attempt.id, attempt.attempts]);
    },
    async end(attempt, { status, problem }) {
      const told = [attempt.id, status, problem];
      if (status === 'SENT') await run(attempt, SENT, told);
      else await run(attempt, status === 'FAILED' ? FAILED : QUEUED, [...told, attempt.attempts]);
    },
  };
}
