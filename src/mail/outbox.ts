import { z } from 'zod';
import type { Branding } from '../branding.js';
import { newId, type OrgId } from '../data/id.js';
import type { OrganizationDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
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
  /** Whom it is for as a member, and since when; earlier releases named nobody. */
  member: z
    .object({ userId: z.string(), joinedAt: z.coerce.date().nullable(), role: z.literal('OWNER').nullable() })
    .nullish(),
});

const MAIL = { name: 'mail', payload: WRITTEN };

/** A letter, and to whom it goes. */
export type LetterTo = Letter & Pick<Mail, 'to'>;

/** Whom a letter is for that is for a member as such. */
export interface LetterFor {
  readonly member: Row<'Membership'>;
  /** Whether it is for them as an OWNER. */
  readonly asOwner: boolean;
}

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
  /**
   * The same for a member, at the address that they have when it goes out. Who was suspended by then, is no member any more, or is one anew gets
   * nothing; nor, of what is for OWNERs, who is none.
   */
  queueFor(db: OrganizationDb, orgId: OrgId, to: LetterFor, letter: Letter): Promise<DueWork>;
}

export const OUTBOX = part<Outbox>('outbox');

const placeOf = (orgId: OrgId, id: string): SecretPlace => ({ orgId, table: 'outgoing_mail', id });

type Written = z.infer<typeof WRITTEN>;

/** @param brandingOf how the organization looks */
export const createOutbox = (
  seal: OrganizationSeal,
  brandingOf: (db: OrganizationDb) => Promise<Branding | null> = async () => null,
): Outbox => {
  const add = async (
    db: OrganizationDb,
    orgId: OrgId,
    given: Mail | LetterTo,
    of: Pick<Written, 'invitationId' | 'member'>,
  ): Promise<DueWork> => {
    const mail = 'parts' in given ? { to: given.to, ...writeLetter(given, await brandingOf(db)) } : given;
    const id = newId('mal');
    const payload = { id, sealed: await seal.seal(db, JSON.stringify(mail), placeOf(orgId, id)), ...of };
    const dueAt = new Date(db.now().getTime() + DISPATCH_MS);
    return { orgId, id: await addDueWork(db, MAIL, { subject: of.invitationId ?? id, payload, dueAt }) };
  };
  return {
    async queue(db, orgId, mail, invitationId) {
      if (invitationId !== undefined) await takeBackMail(db, invitationId);
      return add(db, orgId, mail, { invitationId: invitationId ?? null });
    },
    queueFor(db, orgId, { member: { userId, email: to, joinedAt }, asOwner }, letter) {
      const member = { userId, joinedAt, role: asOwner ? ('OWNER' as const) : null };
      return add(db, orgId, { to, ...letter }, { invitationId: null, member });
    },
  };
};

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
function readWritten(payload: string): Written {
  try {
    return WRITTEN.parse(JSON.parse(payload));
  } catch (cause) {
    throw new SealError('mail that waits was altered', { cause });
  }
}

/** How mail goes out: for more than a day, with the waits in between. */
export const sendMail = (mailer: Mailer, seal: OrganizationSeal): DueKind<Written> => ({
  ...MAIL,
  mostAttempts: 12,
  isFinal: (error) => error instanceof MailRefusedError,
  async run({ orgId, db, payload: { id, sealed, invitationId, member }, signal }) {
    const mail = JSON.parse(await seal.open(db, sealed, placeOf(orgId, id))) as Mail;
    const to = member == null ? mail.to : await addressOf(db, member);
    if (to === null) return {};
    await mailer.send({ ...mail, to }, id, signal);
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

/** Where a member is mailed now; null who is not the member any more whom it was for. */
async function addressOf(
  db: OrganizationDb,
  { userId, joinedAt, role }: NonNullable<Written['member']>,
): Promise<string | null> {
  const found = await db.membership.find({ userId, joinedAt, status: 'ACTIVE', ...(role && { role }) });
  return found?.email ?? null;
}

/** For the people who read the invitation. */
function problemOf(error: unknown): string {
  if (error === null) return 'It is unknown whether it was sent.';
  return error instanceof MailRefusedError ? error.message : 'It could not be handed to the mail server.';
}
