import { translateDatabaseError } from './database-error.js';
import type { ActiveMembership } from './directory.js';
import { MEMBERSHIP, type MembershipRow, toMembership } from './find-person.js';
import { brandVerifiedOrgId } from './id.js';
import { type Frame, inFrame, type ScopedPool } from './org-connection.js';
import { ROW_TYPES } from './pg-types.js';

/** A key that has not ended, of an owner who is active. Whether the secret is right is not yet known. */
export interface LiveApiKey {
  readonly id: string;
  readonly secretHash: string;
  readonly permissions: readonly string[];
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  /** The owner's, a person's or a service account's, as it is now. */
  readonly membership: ActiveMembership;
}

/** Keys as they are presented, before any organization is known. */
export interface ApiKeys {
  /** The key and its owner's membership, in one round trip; null when there is none, or it or its owner ended. */
  find(id: string): Promise<LiveApiKey | null>;
  /** Notes that a key was used, at most once a minute. Nobody waits for it, and a use that was missed is no matter. */
  noteUse(key: LiveApiKey): void;
}

const NOTED_EVERY_MS = 60_000;

/** A key made before its owner joined is of an earlier stay: whoever was removed and came back has none. */
const FIND = `
  select k.id as "keyId", k.secret_hash as "secretHash", k.permissions, k.expires_at as "expiresAt",
    k.last_used_at as "lastUsedAt", ${MEMBERSHIP}
  from api_key k
  join membership m on m.org_id = k.org_id and m.user_id = k.owner_id and m.status = 'ACTIVE' and m.joined_at <= k.created_at
  join organization o on o.id = k.org_id
  left join person p on p.id = k.owner_id
  where k.id = $1 and k.revoked_at is null and k.expires_at > current_timestamp
    and (m.kind = 'SERVICE_ACCOUNT' or p.status = 'ACTIVE')`;

/** Replicas may note at the same moment; the first of them does. */
const NOTE_USE = `
  update api_key set last_used_at = current_timestamp
  where org_id = $1 and id = $2 and (last_used_at is null or last_used_at < current_timestamp - interval '1 minute')`;

interface KeyRow extends MembershipRow {
  keyId: string;
  secretHash: string;
  permissions: string[];
  expiresAt: Date;
  lastUsedAt: Date | null;
}

const DIRECTORY: Frame = { role: 'orgate_directory' };

export function createApiKeys(pool: ScopedPool): ApiKeys {
  const noting = new Set<string>();
  return {
    async find(id) {
      try {
        const { rows } = await inFrame(DIRECTORY, () => pool.query({ text: FIND, values: [id], types: ROW_TYPES }));
        return rows[0] ? toLiveKey(rows[0] as KeyRow) : null;
      } catch (error) {
        throw translateDatabaseError(error);
      }
    },

    noteUse({ id, lastUsedAt, membership }) {
      const isNoted = lastUsedAt !== null && Date.now() - lastUsedAt.getTime() < NOTED_EVERY_MS;
      if (isNoted || noting.has(id)) return;
      noting.add(id);
      const orgId = brandVerifiedOrgId(membership.organization.id); // its owner's membership was just read, and is active
      inFrame({ role: 'orgate_app', orgId }, () => pool.query({ text: NOTE_USE, values: [orgId, id] }))
        .catch(() => undefined)
        .finally(() => noting.delete(id));
    },
  };
}

const toLiveKey = (row: KeyRow): LiveApiKey => ({
  id: row.keyId,
  secretHash: row.secretHash,
  permissions: row.permissions,
  expiresAt: row.expiresAt,
  lastUsedAt: row.lastUsedAt,
  membership: toMembership(row),
});
