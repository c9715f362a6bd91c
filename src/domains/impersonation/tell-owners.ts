import type { OrgId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { inWords } from '../../instant.js';
import type { DueWork } from '../../jobs/due-kind.js';
import type { Letter } from '../../mail/letter.js';
import type { Use } from '../../parts.js';
import { notify } from '../notification/index.js';

/** Tells all OWNERs who acts as which member, and why. @returns the mail, to be dispatched once the transaction is committed */
export function tellOwners(
  db: LockedDb,
  orgId: OrgId,
  made: Row<'Impersonation'>,
  member: Row<'Membership'>,
  use: Use,
): Promise<DueWork[]> {
  const letter = notice(made, member, db.held);
  const told = { kind: 'VENDOR_ACCESS', letter, targetId: made.id, occasion: made.id } as const;
  return notify(db, orgId, { owners: true }, told, use);
}

function notice(made: Row<'Impersonation'>, member: Row<'Membership'>, organization: Row<'Organization'>): Letter {
  const may = made.scope === 'WRITE' ? 'They may change what you granted.' : 'They read, and change nothing.';
  return {
    subject: `${made.actorName} looks into ${organization.name}`,
    parts: [
      `${made.actorName} (${made.actorEmail}), who runs this service, acts as ${member.name} in ${organization.name} until ${inWords(made.expiresAt)} at the latest. ${may} They say why:`,
      made.reason,
      'Which fields they ask for, what they search and filter by, and of which ids, stands in your record, and each access in supportAccessLog. To end it at once:',
      { code: `mutation { endImpersonation(id: "${made.id}") { endedAt } }` },
    ],
    closing: 'An OWNER says in the settings (support.access) whether anybody may.',
  };
}
