import type { OrgId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { inWords } from '../../instant.js';
import type { DueWork } from '../../jobs/due-kind.js';
import { writeLetter } from '../../mail/letter.js';
import { OUTBOX } from '../../mail/outbox.js';
import type { Use } from '../../parts.js';
import { emailsOfOwners } from '../../rights/owners.js';

/** Writes to the OWNERs, a hundred at the most, who acts as which member, and why. @returns the mail, to be dispatched once the transaction is committed */
export async function tellOwners(
  db: LockedDb,
  orgId: OrgId,
  made: Row<'Impersonation'>,
  member: Row<'Membership'>,
  use: Use,
): Promise<DueWork[]> {
  const letter = notice(made, member, db.held);
  const mail: DueWork[] = [];
  for (const to of await emailsOfOwners(db)) mail.push(await use(OUTBOX).queue(db, orgId, { to, ...letter }));
  return mail;
}

function notice(made: Row<'Impersonation'>, member: Row<'Membership'>, organization: Row<'Organization'>) {
  const may = made.scope === 'WRITE' ? 'They may change what you granted.' : 'They read, and change nothing.';
  return writeLetter({
    subject: `${made.actorName} looks into ${organization.name}`,
    parts: [
      `${made.actorName} (${made.actorEmail}), who runs this service, acts as ${member.name} in ${organization.name} until ${inWords(made.expiresAt)} at the latest. ${may} They say why:`,
      made.reason,
      'What they look at stands in your record. To end it at once:',
      { code: `mutation { endImpersonation(id: "${made.id}") { endedAt } }` },
    ],
    closing: 'An OWNER says in the settings (support.access) whether anybody may.',
  });
}
