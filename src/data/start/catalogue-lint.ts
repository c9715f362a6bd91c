import type pg from 'pg';

/** What the catalogue must be like for organizations to stay apart, and what of it is not so. */
export interface LintResult {
  readonly rule: string;
  /** What breaks the rule, by name. Empty when it holds. */
  readonly broken: readonly string[];
}

/**
 * How the comment of an index begins whose keys are unique across organizations on purpose; its reason follows. It stands in the
 * database and not here: a newer release may have migrated, and this one goes on beside it.
 */
const ACROSS = 'across organizations: ';

const OWNED = `
  owned as (
    select c.oid, c.relname as name, c.relrowsecurity, c.relforcerowsecurity, a.attnum
    from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and (a.attname = 'org_id' or (c.relname = 'organization' and a.attname = 'id'))
  )`;

const ISOLATE = "format('%s: write `call orgate_isolate(%L)` in its migration', name, name)";

/** Of an index `i`. */
const IS_ACROSS = "coalesce(starts_with(obj_description(i.indexrelid, 'pg_class'), $1), false)";

/** Of a foreign key `k`, in the words of a migration. */
const EMPTIES = `(select format('on delete set null (%s)', string_agg(quote_ident(attname), ', ' order by attnum)) from pg_attribute
  where attrelid = k.conrelid and attnum = any (k.conkey) and attname <> 'org_id')`;

/** Each rule is a query of the catalogue for what breaks it, with what to write instead where the rule does not say it. */
const RULES: readonly (readonly [rule: string, query: string])[] = [
  [
    'every table with org_id has row-level security enabled and forced',
    `select ${ISOLATE} from owned where not (relrowsecurity and relforcerowsecurity)`,
  ],
  [
    'every table with org_id has a policy for every command of orgate_app, both ways',
    `select ${ISOLATE} from owned where not exists (
       select from pg_policy p where p.polrelid = owned.oid and p.polcmd = '*' and p.polpermissive
         and p.polqual is not null and p.polwithcheck is not null
         and p.polroles = array ['orgate_app'::regrole::oid])`,
  ],
  [
    'no other permissive policy widens what orgate_app may reach',
    `select name || '.' || p.polname from owned join pg_policy p on p.polrelid = owned.oid
     where p.polpermissive and p.polname <> 'isolation' and (0 = any (p.polroles) or 'orgate_app'::regrole = any (p.polroles))`,
  ],
  [
    'every table with org_id can be emptied by orgate_purger, of organizations whose grace is over and no other',
    `select ${ISOLATE} from owned where not exists (
       select from pg_policy p where p.polrelid = owned.oid and p.polname = 'purge' and p.polcmd = '*' and p.polqual is not null
         and p.polroles = array ['orgate_purger'::regrole::oid])
     union all
     select name || '.' || p.polname from owned join pg_policy p on p.polrelid = owned.oid
     where p.polpermissive and p.polname <> 'purge' and p.polqual is distinct from null and 'orgate_purger'::regrole = any (p.polroles)
       and pg_get_expr(p.polqual, p.polrelid) <> '(org_id IS NULL)'`,
  ],
  [
    'primary keys begin with the organization',
    `select name from owned where not exists (
       select from pg_index i where i.indrelid = owned.oid and i.indisprimary and (i.indkey[0] = owned.attnum or ${IS_ACROSS}))`,
  ],
  [
    'every unique index holds the organization',
    `select i.indexrelid::regclass::text from owned join pg_index i on i.indrelid = owned.oid and i.indisunique
     where not (owned.attnum = any (i.indkey) or ${IS_ACROSS})`,
  ],
  [
    'every foreign key between org-owned tables holds the organization on both sides, in the same place',
    `select k.conname from pg_constraint k join owned a on a.oid = k.conrelid left join owned b on b.oid = k.confrelid
     where k.contype = 'f' and (b.oid is null or not exists (
       select from unnest(k.conkey, k.confkey) as pair(near, far) where pair.near = a.attnum and pair.far = b.attnum))`,
  ],
  [
    'nothing cascades but from the organization itself',
    `select format('%s: write \`%s\`, which names what it empties, or nothing, and let the verb that deletes delete what ' ||
       'belongs to it first', k.conname, ${EMPTIES}) from pg_constraint k
     where k.contype = 'f' and k.connamespace = 'public'::regnamespace
       and ((k.confdeltype = 'c' and k.confrelid <> 'organization'::regclass) or k.confupdtype = 'c')`,
  ],
  [
    'where a deletion empties a reference, the organization stays',
    `select format('%s: write \`%s\`, which names the column that it empties', k.conname, ${EMPTIES})
     from pg_constraint k join owned a on a.oid = k.conrelid
     where k.contype = 'f' and k.confdeltype in ('n', 'd')
       and (k.confdelsetcols is null or a.attnum = any (k.confdelsetcols))`,
  ],
  [
    'every view runs with the rights of who asks',
    `select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and (c.relkind = 'm' or c.relkind = 'v'
       and not coalesce(c.reloptions, '{}') && array ['security_invoker=true', 'security_invoker=on', 'security_invoker=1'])`,
  ],
  [
    "no function runs with its owner's rights on an open search path",
    `select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef
       and not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=%')`,
  ],
  [
    "the gateway's roles cannot log in, bypass row-level security, or own anything",
    `select rolname from pg_roles r where rolname in ('orgate_app', 'orgate_directory', 'orgate_sealer', 'orgate_purger')
       and (rolsuper or rolbypassrls or rolcanlogin or rolcreaterole or rolcreatedb
         or exists (select from pg_class c where c.relowner = r.oid)
         or exists (select from pg_auth_members m where m.member = r.oid))`,
  ],
  // Not by a list of them: a newer release may have migrated, and this one goes on beside it.
  [
    'orgate_app has no rights in a table without org_id',
    `select format('%I: give it org_id and \`call orgate_isolate\`, or what it is for to orgate_directory alone', c.relname)
     from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'f') and c.oid not in (select oid from owned)
       and (has_table_privilege('orgate_app', c.oid, 'select, insert, update, delete, truncate, references, trigger')
         or has_any_column_privilege('orgate_app', c.oid, 'select, insert, update, references'))`,
  ],
  [
    'nobody has rights by default',
    `select c.relname from pg_class c, aclexplode(c.relacl) grants
     where c.relnamespace = 'public'::regnamespace and grants.grantee = 0`,
  ],
];

type RunQuery = (text: string, values: unknown[]) => Promise<pg.QueryResult>;

/**
 * Checks the database's catalogue, rule by rule. Read-only; any login may ask.
 *
 * The key layout it checks, org_id first in every key, unique index and foreign key, is the one that Citus asks of
 * tables it is to distribute.
 */
export async function lintCatalogue(query: RunQuery): Promise<LintResult[]> {
  const selects = RULES.map(([, rule], index) => `select ${index} as rule, array(${rule})::text[] as broken`);
  const { rows } = await query(`with ${OWNED} ${selects.join(' union all ')} order by 1`, [ACROSS]);
  return rows.map((row) => ({
    rule: RULES[row['rule']]?.[0] ?? '',
    broken: row['broken'],
  }));
}
