import { z } from 'zod';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { openApiKeys } from '../../identity/api-keys.js';
import { inWords } from '../../instant.js';
import { addDueWork, dropDueWork, type DueKind } from '../../jobs/due-kind.js';
import { writeLetter } from '../../mail/letter.js';
import { OUTBOX, type Outbox } from '../../mail/outbox.js';
import type { OrgId } from '../../data/id.js';
import { emailsOfOwners } from '../../rights/owners.js';

const NOTICE_MS = 7 * 86_400_000;

/** Tells of a key that ends within seven days, once: its owner, if that is a person, and the organization's OWNERs. */
export const KEY_ENDS: DueKind<object> = {
  name: 'api-key-ends',
  payload: z.object({}),
  async run({ orgId, subject }, { outside, use }) {
    const found = await outside(openApiKeys).find(subject);
    // What is over, or its owner's stay, nobody has to replace.
    if (found?.fault !== null) return {};
    return { settle: (db) => tellOf(db, orgId, subject, use(OUTBOX)) };
  },
};

/** In the transaction that makes the key. Whoever makes one for a week or less knows when it ends. */
export async function tellWhenItEnds(db: OrganizationDb, { id, createdAt, expiresAt }: Row<'ApiKey'>): Promise<void> {
  const dueAt = new Date(expiresAt.getTime() - NOTICE_MS);
  if (dueAt > createdAt) await addDueWork(db, KEY_ENDS, { subject: id, payload: {}, dueAt });
}

/** Whoever ended it, or replaced it, knows that it ends. */
export const tellNoMore = (db: OrganizationDb, keyId: string): Promise<number> => dropDueWork(db, KEY_ENDS, keyId);

async function tellOf(db: LockedDb, orgId: OrgId, keyId: string, outbox: Outbox): Promise<void> {
  const key = await db.apiKey.find({ id: keyId });
  if (!key) return;
  const owner = await db.membership.get({ userId: key.ownerId });
  const own = owner.kind === 'PERSON' ? [owner.email] : [];
  for (const to of new Set([...own, ...(await emailsOfOwners(db))]))
    await outbox.queue(db, orgId, { to, ...notice(key, owner, db.held) });
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
