import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL } from '../../context/deployment.js';
import type { OrgId } from '../../data/id.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { inWords } from '../../instant.js';
import type { Letter } from '../../mail/letter.js';
import { OUTBOX } from '../../mail/outbox.js';
import type { DueWork } from '../../jobs/due-kind.js';
import { type Role, roleName } from '../../permissions/catalogue.js';
import { hashSecret, newSecret } from '../../secrets/secret.js';

/** Where somebody is invited, and what that takes. */
export type Inviting = Pick<RequestContext, 'catalogue' | 'use'> & {
  readonly organization: { readonly orgId: OrgId; readonly organization: { readonly name: string } };
};

export const hoursFrom = (now: Date, hours: number): Date => new Date(now.getTime() + hours * 3_600_000);

/**
 * Mails an invitation, with a secret of its own. Only the mail holds it; kept is its hash.
 *
 * @returns the mail, to be dispatched once the transaction is committed
 */
export async function sendInvitation(
  db: OrganizationDb,
  { id, email, expiresAt }: Row<'Invitation'>,
  { inviter, role }: { readonly inviter: string; readonly role: Role },
  { organization: { orgId, organization }, use }: Inviting,
): Promise<{ invitation: Row<'Invitation'>; mail: DueWork }> {
  const secret = newSecret();
  await db.invitationSecret.create({ hash: hashSecret(secret), invitationId: id, createdAt: db.now() });
  const letter: Letter = {
    subject: `Join ${organization.name}`,
    parts: [
      `${inviter} invites you to join ${organization.name} as ${roleName(role)}.`,
      { action: 'Open the invitation', url: `${use(PUBLIC_URL)()}/invitations/${secret}` },
    ],
    closing: `The link is for ${email} and works until ${inWords(expiresAt)}. If you did not expect it, do nothing.`,
  };
  const mail = await use(OUTBOX).queue(db, orgId, { to: email, ...letter }, id);
  return { invitation: await db.invitation.update({ id }, { mailStatus: 'QUEUED', mailProblem: null }), mail };
}
