import { bySystem } from '../../data/connection/act.js';
import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { Frame } from '../../data/connection/frame.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import { leavesFirst } from './leaves-first.js';

/** What deletes an organization whose grace is over, each repeatable; of any other the database lets nothing go. */
export interface Purging {
  /** Who owed work is about: its subject is the id of an organization. */
  organizationOf(subject: string): OrgId;
  /** Every table with rows of organizations but the record, those first that others do not refer to. */
  listTables(): Promise<string[]>;
  /** Deletes so many rows of a table. @returns how many; fewer than asked for when none is left */
  deleteRows(orgId: OrgId, table: string, most: number): Promise<number>;
  /** Deletes what is kept of it outside: sessions and identities of its providers, and that somebody chose it. As `deleteRows`. */
  forget(orgId: OrgId, most: number): Promise<number>;
  /** Whether the record has it already that a table was emptied. */
  isTold(orgId: OrgId, table: string): Promise<boolean>;
  /** Lets its end come by the database's own clock, where a developer moved the time on. Nothing that serves requests may do so. */
  bringForward(orgId: OrgId): Promise<void>;
  /**
   * Deletes the organization itself, whose rows are gone. Of its slugs remains that they were someone's, and of its record
   * the chain, with this as its last entry.
   *
   * @returns false where it is not over, by the database's clock; UNERASED where its record says more than was erased
   */
  finish(orgId: OrgId): Promise<boolean | 'UNERASED'>;
}

const ACT = bySystem('purge');

/** The record outlives its organization; addresses go with it, since a slug stays taken. */
const OWNED = `
  select c.oid, c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'org_id'
    and c.relname not in ('audit_entry', 'audit_seal', 'audit_unsealed', 'address')`;

const TABLES = `
  with owned as (${OWNED})
  select owned.name, array(
    select referred.name::text from pg_constraint k join owned referred on referred.oid = k.confrelid
    where k.conrelid = owned.oid and k.contype = 'f' and k.confrelid <> k.conrelid) as "refersTo"
  from owned order by name`;

/** Each finds so many of its rows by the organization, and deletes those. */
const FORGET = [
  `with gone as (select s.id from session s where s.bound_org_id = $1 limit $2)
   delete from refresh_token r using gone where r.session_id = gone.id returning r.family_hash`,
  `with gone as (select s.id from session s where s.bound_org_id = $1
     and not exists (select from refresh_token r where r.session_id = s.id) limit $2)
   delete from session s using gone where s.id = gone.id returning s.id`,
  `with gone as (select i.issuer, i.subject from identity_provider p
     join identity i on i.issuer = 'urn:orgate:provider:' || p.id where p.org_id = $1 limit $2)
   delete from identity i using gone where i.issuer = gone.issuer and i.subject = gone.subject returning i.subject`,
  `with gone as (select p.id from person p where p.default_org_id = $1 limit $2)
   update person p set default_org_id = null from gone where p.id = gone.id returning p.id`,
  `with gone as (select o.id from owed_work o where o.kind = 'domain-check' and starts_with(o.subject, $1 || '/') limit $2)
   delete from owed_work o using gone where o.id = gone.id returning o.id`,
];

const IS_TOLD = `
  select from audit_entry where org_id = $1 and action = 'organization.purged' and target_type = $2 limit 1`;

const HOLD = 'select from organization where id = $1 for update';
const REFUSE_ENTRIES = `select pg_advisory_xact_lock(hashtext('orgate entries'), hashtext($1))`;
/** Under that lock nothing comes to it any more. */
const UNERASED = `
  select from audit_unsealed where org_id = $1 union all
  select from audit_seal where org_id = $1 and sequence > (select purged_to from organization where id = $1) limit 1`;
const KEEP_SLUGS = `
  update address set org_id = null, given_up_at = coalesce(given_up_at, current_timestamp + $2 * interval '1 millisecond')
  where org_id = $1 and kind = 'SLUG'`;
const DROP_DOMAINS = `delete from address where org_id = $1 and kind = 'DOMAIN'`;
const DROP = 'delete from organization where id = $1';

export function openPurging(pool: ScopedPool): Purging {
  const query = createDirectoryQuery(pool);
  const frameOf = (orgId: OrgId): Frame => ({ role: 'orgate_purger', orgId });
  return {
    organizationOf: (subject) => brandOrgId(subject),

    async listTables() {
      return leavesFirst(await query<{ name: string; refersTo: string[] }>(TABLES));
    },

    async deleteRows(orgId, table, most) {
      const name = `"${table.replaceAll('"', '""')}"`;
      const text = `delete from ${name} where org_id = $1
        and ctid = any (array(select ctid from ${name} where org_id = $1 limit $2))`;
      const { rowCount } = await inFrame(frameOf(orgId), () => pool.query({ text, values: [orgId, most] }));
      return rowCount ?? 0;
    },

    async forget(orgId, most) {
      for (const text of FORGET) {
        const gone = await query(text, [orgId, most], ACT);
        if (gone.length > 0) return gone.length < most ? most : gone.length; // there may be more behind it
      }
      return 0;
    },

    async isTold(orgId, table) {
      const { rows } = await inFrame(frameOf(orgId), () => pool.query({ text: IS_TOLD, values: [orgId, table] }));
      return rows.length > 0;
    },

    async bringForward(orgId) {
      const text = `update organization set purge_at = current_timestamp - interval '1 second' where id = $1`;
      await pool.queryAsLoginRole(text, [orgId]);
    },

    async finish(orgId) {
      const client = await pool.connect();
      const run = (text: string, values: unknown[]) =>
        inFrame(frameOf(orgId), () => client.query({ text, values: [orgId, ...values] }));
      try {
        await client.query({ text: 'BEGIN' });
        await run(HOLD, []);
        await run(REFUSE_ENTRIES, []);
        if ((await run(UNERASED, [])).rowCount !== 0) {
          await client.query({ text: 'ROLLBACK' });
          return 'UNERASED';
        }
        await run(DROP_DOMAINS, []);
        await run(KEEP_SLUGS, [pool.clock.movedMs]);
        const { rowCount } = await run(DROP, []);
        await client.query({ text: rowCount === 1 ? 'COMMIT' : 'ROLLBACK' });
        return rowCount === 1;
      } catch (error) {
        await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
        throw error;
      } finally {
        client.release();
      }
    },
  };
}
