import type { Act } from '../../data/connection/act.js';
import { createDirectoryQuery, createHeldDirectoryQuery } from '../../data/connection/directory-query.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { ROW_TYPES } from '../../data/connection/pg-types.js';
import { brandOrgId } from '../../data/id.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { FREE_SLUG, FREE_SLUGS, organizationNamed } from '../../identity/slugs.js';
import type { Entitlements } from '../../permissions/features.js';

/** What whoever runs the deployment decides of one organization. Call it for a SYSTEM_ADMIN only. */
export interface EntitlementsOutside {
  /** Sets what is given, in that organization's frame and record; null where there is no such organization. */
  set(named: string, entitlements: Entitlements, act: Act): Promise<OrganizationSummary | null>;
}

const FIND = `select id from organization where id = ${organizationNamed('$1', '$2')}`;

const SET = `
  update organization set entitlements = entitlements || $2::jsonb where id = $1
  returning id, name, slug, status, created_at as "createdAt"`;

export function openEntitlements(pool: ScopedPool): EntitlementsOutside {
  const query = createDirectoryQuery(pool);
  return {
    async set(named, entitlements, act) {
      const [found] = await query<{ id: string }>(FIND, [named, pool.clock.movedMs]);
      if (!found) return null;
      const orgId = brandOrgId(found.id); // a SYSTEM_ADMIN decides of any, and is told of it what the directory knows
      const { rows } = await inFrame({ role: 'orgate_app', orgId, act }, () =>
        pool.query<OrganizationSummary & Record<string, unknown>>({
          text: SET,
          values: [orgId, JSON.stringify(entitlements)],
          types: ROW_TYPES,
        }),
      );
      return rows[0] ?? null;
    },
  };
}

/** Slugs that nobody holds any more. */
export interface LapsedSlugs {
  /** Frees one in the transaction that is to take it. */
  free(slug: string): Promise<void>;
  /** Frees so many. */
  freeMany(most: number): Promise<void>;
}

export function openLapsedSlugs(pool: ScopedPool): LapsedSlugs {
  const query = createDirectoryQuery(pool);
  const held = createHeldDirectoryQuery(pool);
  return {
    async free(slug) {
      await held(FREE_SLUG, [slug, pool.clock.movedMs]);
    },
    async freeMany(most) {
      await query(FREE_SLUGS, [pool.clock.movedMs, most]);
    },
  };
}
