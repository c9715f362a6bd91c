import type { OrgId } from '../../data/id.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { Letter } from '../../mail/letter.js';
import type { Use } from '../../parts.js';
import { notify } from '../notification/index.js';

/**
 * Tells the OWNERs that the record of a domain is gone, or that the domain is given up for it, in the transaction
 * that found it so.
 */
export async function tellOfMissedDomain(
  db: OrganizationDb,
  orgId: OrgId,
  domain: Row<'OrganizationDomain'>,
  record: { readonly name: string; readonly value: string },
  use: Use,
): Promise<void> {
  const { name: organization } = await db.organization.get({});
  const letter = notice(domain, organization, record);
  await notify(db, orgId, { owners: true }, { kind: 'ALERT', targetId: domain.id, letter }, use);
}

function notice(
  { id, name, status }: Row<'OrganizationDomain'>,
  organization: string,
  record: { readonly name: string; readonly value: string },
): Letter {
  const isLapsed = status === 'LAPSED';
  return {
    subject: isLapsed ? `${organization} no longer holds ${name}` : `The DNS record that proves ${name} is gone`,
    parts: [
      `${organization} ${isLapsed ? 'held' : 'holds'} the domain ${name} by this TXT record in its DNS:`,
      { code: `${record.name}\n${record.value}` },
      isLapsed
        ? 'It was not found for three days, so the domain is given up: nobody new signs in or joins by it, and another organization may take it. Publish the record again, then take the domain back:'
        : 'It was not found today. After three days in a row the domain is given up: nobody new signs in or joins by it, and another organization may take it. Publish the record again; to look at once:',
      { code: `mutation { verifyDomain(id: "${id}") { status lastCheck { found problem } } }` },
    ],
  };
}
