import type { z } from 'zod';
import type { Deployment } from '../context/deployment.js';
import { type OrgId, newId } from '../data/id.js';
import type { LockedDb, OrganizationDb, RequestDb } from '../data/organization/organization-db.js';

/** Work that is due, and its organization. */
export interface DueWork {
  readonly orgId: OrgId;
  readonly id: string;
}

/** One attempt to do it. */
export interface DueRun<P> {
  readonly orgId: OrgId;
  /** The organization's, where the gateway acts by itself. */
  readonly db: RequestDb;
  readonly subject: string;
  readonly payload: P;
  /** Aborted when it took too long, or orgate closes. */
  readonly signal: AbortSignal;
}

/** What came of it. */
export interface Done {
  /** When it is due again; over where left out. */
  readonly again?: Date;
  /**
   * What is written of it, in the transaction that says that it is done: once, also where two did it, and not at all where
   * it was taken back meanwhile.
   */
  readonly settle?: (db: LockedDb) => Promise<unknown>;
}

/** What is done for organizations once it is due. It stops with the organization, and goes on with it. */
export interface DueKind<P> {
  readonly name: string;
  /** How it is read back; another release may have written it. Nothing in it is secret that is not sealed. */
  readonly payload: z.ZodType<P>;
  /**
   * How many are done at once by a replica; five when left out. An organization has half of them, rounded up, or more where its plan weighs
   * more, and never all where there is more than one.
   */
  readonly atOnce?: number;
  /** How long one may take, in milliseconds; a minute when left out. */
  readonly mostMs?: number;
  /** How often it is tried; for ever when left out. */
  readonly mostAttempts?: number;
  /** Whether trying again is in vain. */
  isFinal?(error: unknown): boolean;
  /** May be done again where the process ends before that was written down. @throws to be tried again, later each time */
  run(run: DueRun<P>, deployment: Deployment): Promise<Done | void>;
  /**
   * Writes of an attempt that failed, in the transaction that says so.
   *
   * @param error null where nobody knows how it ended
   * @param isLast it is not tried again
   */
  settleFailure?(db: LockedDb, payload: P, error: unknown, isLast: boolean): Promise<unknown>;
}

/** What the deployment owes once it is due, whatever becomes of the organization that it is about. */
export interface OwedKind {
  readonly name: string;
  readonly atOnce?: number;
  readonly mostMs?: number;
  /** As of `DueKind`. */
  run(run: OwedRun, deployment: Deployment): Promise<{ readonly again?: Date } | void>;
}

export interface OwedRun {
  readonly subject: string;
  readonly signal: AbortSignal;
  /**
   * Says that it is done, in the transaction that this is called in, with what is written there.
   *
   * @param again when it is due again; over when null
   * @returns whether it was still this attempt's; if not, another has done it
   */
  settle(again: Date | null): Promise<boolean>;
}

export interface Asked<P> {
  /** What it is about. Of each kind there is one for a subject: what was asked last counts. */
  readonly subject: string;
  readonly payload: P;
  readonly dueAt: Date;
}

/**
 * Has something done once it is due. Where it waits already, it waits for this; where it is being done, it is done again.
 *
 * @param db in the transaction that is its reason
 * @returns its id
 */
export async function addDueWork<P>(
  db: OrganizationDb,
  { name: kind }: Pick<DueKind<P>, 'name' | 'payload'>,
  { subject, payload, dueAt }: Asked<P>,
): Promise<string> {
  const text = JSON.stringify(payload);
  const row = { id: newId('due'), kind, subject, payload: text, dueAt };
  for (;;) {
    if ((await db.dueWork.createMany([row], { skipTaken: true })) > 0) return row.id;
    const before = await db.dueWork.find({ kind, subject });
    if (!before) continue; // it ended in between
    const { id, takenAt } = before;
    const change = takenAt ? { wantedAt: dueAt } : { dueAt, attempts: 0, stopped: false, givenUpAt: null };
    if ((await db.dueWork.updateMany({ id, takenAt }, { payload: text, ...change })) > 0) return id;
  }
}

/** Takes it back; what is being done already goes on, and nothing is written of it. */
export const dropDueWork = (
  db: OrganizationDb,
  { name: kind }: Pick<DueKind<never>, 'name'>,
  subject: string,
): Promise<number> => db.dueWork.delete({ kind, subject });
