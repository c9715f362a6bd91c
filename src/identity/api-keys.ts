import { createDirectoryQuery } from '../data/connection/directory-query.js';
import { inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import { brandOrgId } from '../data/id.js';
import type { ActiveMembership } from './person.js';
import { MEMBERSHIP, type MembershipRow, toMembership } from './find-person.js';
import { leads } from './slugs.js';

/** Why a key that was made here counts no more. */
export type KeyFault = 'REVOKED' | 'EXPIRED' | 'OWNER_INACTIVE';

/** A key that has not ended, of an owner who is active. Whether the secret is right is not yet known. */
export interface LiveApiKey {
  readonly id: string;
  readonly name: string;
  readonly secretHash: string;
  readonly fault: null;
  readonly permissions: readonly string[];
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  readonly isOfServiceAccount: boolean;
  /** The owner's, a person's or a service account's, as it is now. */
  readonly membership: ActiveMembership;
}

export type FoundApiKey = LiveApiKey | (Pick<LiveApiKey, 'secretHash'> & { readonly fault: KeyFault });

/** Keys as they are presented, before any organization is known. */
export interface ApiKeys {
  /** The key and its owner's membership, in one round trip; null when there is none. */
  find(id: string): Promise<FoundApiKey | null>;
  /** Whether a name that is neither its id nor its slug leads to an organization: one that it had before. */
  isFormerSlug(name: string, orgId: string): Promise<boolean>;
  /** Notes that a key was used, at most once a minute. Nobody waits for it, and a use that was missed is no matter. */
  noteUse(key: LiveApiKey): void;
}

const NOTED_EVERY_MS = 60_000;

const KEYS = `api_key k
  join membership m on m.org_id = k.org_id and m.user_id = k.owner_id
  left join person p on p.id = k.owner_id
  join organization o on o.id = k.org_id`;

/** A key made before its owner joined is of an earlier stay: whoever was removed and came back has none. */
const OWNER_IS_ACTIVE = `(m.status = 'ACTIVE' and m.joined_at <= k.created_at and (m.kind = 'SERVICE_ACCOUNT' or p.status = 'ACTIVE'))`;

/** By its id, and by how many milliseconds the clock was moved. */
export const FIND = `
  select k.id as "keyId", k.name as "keyName", k.secret_hash as "secretHash", k.permissions, k.expires_at as "expiresAt",
    k.last_used_at as "lastUsedAt", m.kind as "ownerKind", case when k.revoked_at is not null then 'REVOKED'
      when k.expires_at <= current_timestamp + $2 * interval '1 millisecond' then 'EXPIRED'
      when ${OWNER_IS_ACTIVE} is not true then 'OWNER_INACTIVE' end as fault, ${MEMBERSHIP}
  from ${KEYS} where k.id = $1`;

const IS_FORMER_SLUG = `select from address a where a.name = $1 and a.org_id = $2 and ${leads('a', '$3')}`;

/** Replicas may note at the same moment; the first of them does. */
const NOTE_USE = `
  update api_key set last_used_at = current_timestamp
  where org_id = $1 and id = $2 and (last_used_at is null or last_used_at < current_timestamp - interval '1 minute')`;

export interface KeyRow extends MembershipRow {
  keyId: string;
  keyName: string;
  secretHash: string;
  permissions: string[];
  expiresAt: Date;
  lastUsedAt: Date | null;
  fault: KeyFault | null;
  ownerKind: string;
}

export function openApiKeys(pool: ScopedPool): ApiKeys {
  const noting = new Set<string>();
  const query = createDirectoryQuery(pool);
  return {
    async find(id) {
      const [row] = await query<KeyRow>(FIND, [id, pool.clock.movedMs]);
      return row ? toFoundKey(row) : null;
    },

    async isFormerSlug(name, orgId) {
      const rows = await query(IS_FORMER_SLUG, [name, orgId, pool.clock.movedMs]);
      return rows.length > 0;
    },

    noteUse({ id, lastUsedAt, membership }) {
      const isNoted = lastUsedAt !== null && pool.clock.real().getTime() - lastUsedAt.getTime() < NOTED_EVERY_MS;
      if (isNoted || noting.has(id)) return;
      noting.add(id);
      const orgId = brandOrgId(membership.organization.id); // its owner's membership was just read, and is active
      inFrame({ role: 'orgate_app', orgId }, () => pool.query({ text: NOTE_USE, values: [orgId, id] }))
        .catch(() => undefined)
        .finally(() => noting.delete(id));
    },
  };
}

const toFoundKey = ({ fault, secretHash, ...row }: KeyRow): FoundApiKey =>
  fault !== null
    ? { secretHash, fault }
    : {
        id: row.keyId,
        name: row.keyName,
        secretHash,
        fault,
        permissions: row.permissions,
        expiresAt: row.expiresAt,
        lastUsedAt: row.lastUsedAt,
        isOfServiceAccount: row.ownerKind === 'SERVICE_ACCOUNT',
        membership: toMembership(row),
      };
