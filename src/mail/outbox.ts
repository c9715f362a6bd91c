import { z } from 'zod';
import type { Branding } from '../branding.js';
import { newId, type OrgId } from '../data/id.js';
import type { OrganizationDb } from '../data/organization/organization-db.js';
import { addDueWork, dropDueWork, type DueKind, type DueWork } from '../jobs/due-kind.js';
import { DISPATCH_MS } from '../jobs/due-work.js';
import { part } from '../parts.js';
import { type OrganizationSeal, sealAnew, type SecretPlace } from '../secrets/organization-seal.js';
import { SealError } from '../secrets/seal.js';
import { type Mail, type Mailer, MailRefusedError } from './mail.js';
import { type Letter, writeLetter } from './letter.js';

/** A mail that waits. */
const WRITTEN = z.object({
  /** Its own, by which whoever receives it twice can tell. */
  id: z.string(),
  sealed: z.string(),
  /** Whose mail status tells how it went. */
  invitationId: z.string().nullable(),
});

const MAIL = { name: 'mail', payload: WRITTEN };

/** A letter, and to whom it goes. */
export type LetterTo = Letter & Pick<Mail, 'to'>;

/** Mail is due work: what was committed is told, and nothing is told that was not. It may go out twice. */
export interface Outbox {
  /**
   * Writes a mail into the outbox of an organization. It goes out with the next round, or at once by `dispatch`.
   *
   * @param db the organization's, in the transaction that is the mail's reason
   * @param mail a letter is written as the organization looks
   * @param invitationId whose mail status tells how it went; an earlier mail of it is taken back
   */
  queue(db: OrganizationDb, orgId: OrgId, mail: Mail | LetterTo, invitationId?: string): Promise<DueWork>;
}

export const OUTBOX = part<Outbox>('outbox');

const placeOf = (orgId: OrgId, id: string): SecretPlace => ({ orgId, table: 'outgoing_mail', id });

/** @param brandingOf how the organization looks */
export const createOutbox = (
  seal: OrganizationSeal,
  brandingOf: (db: OrganizationDb) => Promise<Branding | null> = async () => null,
): Outbox => ({
  async queue(db, orgId, given, invitationId) {
    const mail = 'parts' in given ? { to: given.to, ...writeLetter(given, await brandingOf(db)) } : given;
    if (invitationId !== undefined) await takeBackMail(db, invitationId);
    const id = newId('mal');
    const sealed = await seal.seal(db, JSON.stringify(mail), placeOf(orgId, id));
    const payload = { id, sealed, invitationId: invitationId ?? null };
    const dueAt = new Date(db.now().getTime() + DISPATCH_MS);
    return { orgId, id: await addDueWork(db, MAIL, { subject: invitationId ?? id, payload, dueAt }) };
  },
});

/** Takes back what was not mailed yet for an invitation. */
export const takeBackMail = (db: OrganizationDb, invitationId: string): Promise<number> =>
  dropDueWork(db, MAIL, invitationId);

const AT_ONCE = 100;

/** The mail of an organization that waits; some was sealed before it had a key of its own. */
export async function* sealedMailOf(db: OrganizationDb, orgId: OrgId, seal: OrganizationSeal) {
  for (let behind = ''; ;) {
    const where = { kind: MAIL.name, id: { gt: behind } };
    const rows = await db.dueWork.list({ where, orderBy: { id: 'asc' }, take: AT_ONCE });
    for (const { id, payload } of rows) {
      yield {
        what: `mail ${id}`,
        async move() {
          const written = readWritten(payload);
          const sealed = await sealAnew(seal, db, written.sealed, placeOf(orgId, written.id));
          if (!sealed) return 0;
          return db.dueWork.updateMany({ id, payload }, { payload: JSON.stringify({ ...written, sealed }) });
        },
      };
    }
    if (rows.length < AT_ONCE) return;
    behind = rows.at(-1)?.id ?? '';
  }
}

/** @throws SealError when it is none */
function readWritten(payload: string): z.infer<typeof WRITTEN> {
  try {
    return WRITTEN.parse(JSON.parse(payload));
  } catch (cause) {
    throw new SealError('mail that waits was altered', { cause });
  }
}

/** How mail goes out: for more than a day, with the waits in between. */
export const sendMail = (mailer: Mailer, seal: OrganizationSeal): DueKind<z.infer<typeof WRITTEN>> => ({
  ...MAIL,
  mostAttempts: 12,
  isFinal: (error) => error instanceof MailRefusedError,
  async run({ orgId, db, payload: { id, sealed, invitationId }, signal }) {
    await mailer.send(JSON.parse(await seal.open(db, sealed, placeOf(orgId, id))) as Mail, id, signal);
    if (invitationId === null) return {};
    const sent = { mailStatus: 'SENT', mailProblem: null } as const;
    return { settle: (db) => db.invitation.updateMany({ id: invitationId }, sent) };
  },
  async settleFailure(db, { invitationId }, error, isLast) {
    if (invitationId === null) return;
    const told = { mailStatus: isLast ? 'FAILED' : 'QUEUED', mailProblem: problemOf(error) } as const;
    await db.invitation.updateMany({ id: invitationId }, told);
  },
});

/** For the people who read the invitation. */
function problemOf(error: unknown): string {
  if (error === null) return 'It is unknown whether it was sent.';
  return error instanceof MailRefusedError ? error.message : 'It could not be handed to the mail server.';
}
