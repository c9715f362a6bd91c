import { z } from 'zod';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { openApiKeys } from '../../identity/api-keys.js';
import { inWords } from '../../instant.js';
import { addDueWork, dropDueWork, type DueKind } from '../../jobs/due-kind.js';
import type { Letter } from '../../mail/letter.js';
import type { OrgId } from '../../data/id.js';
import type { Use } from '../../parts.js';
import { notify } from '../notification/index.js';

const DAY_MS = 86_400_000;
const NOTICE_MS = 7 * DAY_MS;

/** Tells of a key that ends within seven days, once: its owner, if that is a person, and the organization's OWNERs. */
export const KEY_ENDS: DueKind<object> = {
  name: 'api-key-ends',
  payload: z.object({}),
  async run({ orgId, subject }, { outside, use }) {
    const found = await outside(openApiKeys).find(subject);
    // What is over, or its owner's stay, nobody has to replace.
    if (found?.fault !== null) return {};
    return { settle: (db) => tellOf(db, orgId, subject, use) };
  },
};

/** In the transaction that makes the key. Whoever makes one for little more than a week, or less, knows when it ends. */
export async function tellWhenItEnds(db: OrganizationDb, { id, createdAt, expiresAt }: Row<'ApiKey'>): Promise<void> {
  const dueAt = new Date(expiresAt.getTime() - NOTICE_MS);
  if (dueAt.getTime() - createdAt.getTime() > DAY_MS)
    await addDueWork(db, KEY_ENDS, { subject: id, payload: {}, dueAt });
}

/** Whoever ended it, or replaced it, knows that it ends. */
export const tellNoMore = (db: OrganizationDb, keyId: string): Promise<number> => dropDueWork(db, KEY_ENDS, keyId);

async function tellOf(db: LockedDb, orgId: OrgId, keyId: string, use: Use): Promise<void> {
  const key = await db.apiKey.find({ id: keyId });
  if (!key) return;
  const owner = await db.membership.get({ userId: key.ownerId });
  const letter = notice(key, owner, db.held);
  const to = { userIds: [key.ownerId], owners: true };
  // At another end it would be told again.
  const occasion = `${KEY_ENDS.name}/${keyId}/${key.expiresAt.toISOString()}`;
  await notify(db, orgId, to, { kind: 'ENDING_KEY', targetId: keyId, occasion, letter }, use);
}

function notice(key: Row<'ApiKey'>, owner: Row<'Membership'>, organization: Row<'Organization'>): Letter {
  const lastUse = key.lastUsedAt ? `was last used on ${inWords(key.lastUsedAt)}` : 'was never used';
  return {
    subject: `The API key "${key.name}" of ${organization.name} ends soon`,
    parts: [
      `The API key "${key.name}" of ${owner.name} in ${organization.name}, which ends in ${key.lastFour}, works until ${inWords(key.expiresAt)}. It ${lastUse}.`,
      'If it is still needed, make another in its place; the old one goes on working meanwhile:',
      { code: `mutation { rotateApiKey(id: "${key.id}") { secret } }` },
    ],
  };
}
