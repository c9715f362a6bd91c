import { bySystem } from '../../data/connection/act.js';
import type { Outside } from '../../data/connection/outside.js';
import type { OpenOrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import { type EndingApiKey, openApiKeys } from '../../identity/api-keys.js';
import { inWords } from '../../instant.js';
import { writeLetter } from '../../mail/letter.js';
import type { Outbox } from '../../mail/outbox.js';
import type { WaitingMail } from '../../mail/outside.js';

export interface EndingKeysParts {
  readonly outside: Outside;
  readonly organizationDb: OpenOrganizationDb;
  readonly outbox: Outbox;
}

const BATCH = 200;

/**
 * Tells of each key that ends within seven days, once: its owner, if that is a person, and the organization's OWNERs.
 *
 * @throws the first failure, when all that could be told was told
 */
export async function notifyOfEndingKeys(parts: EndingKeysParts, signal: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  for (const key of await parts.outside(openApiKeys).listEnding(BATCH)) {
    if (signal.aborted) return;
    const mails = await tellOf(key, parts).catch((error: unknown) => void failures.push(error));
    for (const mail of mails ?? []) parts.outbox.dispatch(mail);
  }
  if (failures.length > 0) throw failures[0];
}

/** Marks the key as told, and writes the mails with it; none where another replica was first. */
function tellOf({ orgId, id }: EndingApiKey, { organizationDb, outbox }: EndingKeysParts): Promise<WaitingMail[]> {
  return organizationDb(orgId, bySystem('notify-of-ending-keys'))
    .transaction(async (db) => {
      const key = await db.apiKey.update({ id, expiryToldAt: null }, { expiryToldAt: new Date() });
      const organization = await db.organization.get({});
      const owner = await db.membership.get({ userId: key.ownerId });
      const where = { role: 'OWNER', status: 'ACTIVE' } as const;
      const owners = await db.membership.list({ where, orderBy: { email: 'asc' }, take: 100 });
      const people = [owner, ...owners].filter(({ kind }) => kind === 'PERSON').map(({ email }) => email);
      const mails: WaitingMail[] = [];
      for (const to of new Set(people))
        mails.push(await outbox.queue(db, orgId, { to, ...notice(key, owner, organization) }));
      return mails;
    })
    .catch((error: unknown) => {
      if (error instanceof OrgateError && error.code === 'NOT_FOUND') return [];
      throw error;
    });
}

function notice(key: Row<'ApiKey'>, owner: Row<'Membership'>, organization: Row<'Organization'>) {
  const lastUse = key.lastUsedAt ? `was last used on ${inWords(key.lastUsedAt)}` : 'was never used';
  return writeLetter({
    subject: `The API key "${key.name}" of ${organization.name} ends soon`,
    parts: [
      `The API key "${key.name}" of ${owner.name} in ${organization.name}, which ends in ${key.lastFour}, works until ${inWords(key.expiresAt)}. It ${lastUse}.`,
      'If it is still needed, make another in its place; the old one goes on working meanwhile:',
      { code: `mutation { rotateApiKey(id: "${key.id}") { secret } }` },
    ],
  });
}
