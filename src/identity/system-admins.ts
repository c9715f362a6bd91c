import type pg from 'pg';

/** The database as its owner: the gateway's own roles neither read nor write what is here. */
export type OwnerClient = Pick<pg.Client, 'query'>;

/** Someone by what was proved of them. An e-mail address is not among it: it may be anyone's who typed it. */
export type NamedPerson = { readonly id: string } | { readonly issuer: string; readonly subject: string };

/** Someone who holds the system role, or held it. */
export interface SystemAdmin {
  readonly personId: string;
  readonly name: string;
  readonly email: string;
  /** What was written down when it was given; null of what was given before that was kept, or by other means. */
  readonly grant: {
    readonly by: string;
    readonly at: Date;
    readonly reason: string;
  } | null;
  /** Null while they hold it. */
  readonly revocation: { readonly by: string; readonly at: Date; readonly reason: string | null } | null;
}

/** What was not done, in words for whoever asked for it. */
class SystemAdminError extends Error {
  override readonly name = 'SystemAdminError';
}

export interface Change {
  /** Which user of which machine; with which login is added. */
  readonly by: string;
  readonly reason: string;
}

interface FoundPerson {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly status: string;
  readonly systemRole: string;
}

const RECORD = ['audit_entry', 'audit_unsealed', 'impersonation'] as const;

/** Gives the system role, from the person's next request on. @throws SystemAdminError */
export const grantSystemAdmin = (client: OwnerClient, named: NamedPerson, change: Change): Promise<FoundPerson> =>
  changing(client, named, async (person) => {
    if (person.systemRole === 'SYSTEM_ADMIN') throw new SystemAdminError(`${person.email} is SYSTEM_ADMIN already.`);
    if (person.status !== 'ACTIVE') throw new SystemAdminError(`The account of ${person.email} is disabled.`);
    await setRole(client, person.id, 'SYSTEM_ADMIN', change);
  });

/** Takes it, from the person's next request on. @throws SystemAdminError */
export const revokeSystemAdmin = (client: OwnerClient, named: NamedPerson, change: Change): Promise<FoundPerson> =>
  changing(client, named, async (person) => {
    if (person.systemRole !== 'SYSTEM_ADMIN') throw new SystemAdminError(`${person.email} is no SYSTEM_ADMIN.`);
    await setRole(client, person.id, 'USER', change);
  });

/** Those who hold it first, and then those who held it, the latest first. */
export const listSystemAdmins = (client: OwnerClient): Promise<SystemAdmin[]> =>
  insideRecord(client, async () => {
    const { rows } = await client.query<SystemAdmin>(
      `with told as (
       select target_id, action, at, actor_name, reason, number,
         lead(number) over (partition by target_id order by number) as next
       from audit_entry where org_id = '' and action in ('system_admin.granted', 'system_admin.revoked')
     ), kept as (
       select g.target_id as person_id, g.at, g.actor_name as by, g.reason, r.at as revoked_at, r.actor_name as revoked_by,
         r.reason as revoke_reason
       from told g left join told r on r.number = g.next and r.target_id = g.target_id
       where g.action = 'system_admin.granted'
     )
     select p.id as "personId", p.name, p.email,
       case when g.person_id is not null then json_build_object('by', g.by, 'at', g.at, 'reason', g.reason) end as "grant",
       case when g.revoked_at is not null
         then json_build_object('by', g.revoked_by, 'at', g.revoked_at, 'reason', g.revoke_reason) end as revocation
     from person p left join kept g on g.person_id = p.id
       and (g.revoked_at is null or p.system_role = 'USER')
     where p.system_role = 'SYSTEM_ADMIN' or g.person_id is not null
     order by g.revoked_at desc nulls first, g.at desc nulls last, p.id`,
    );
    return rows;
  });

/** Finds the person and changes them in one transaction; of two at once the second sees what the first did. */
const changing = (
  client: OwnerClient,
  named: NamedPerson,
  change: (person: FoundPerson) => Promise<void>,
): Promise<FoundPerson> =>
  insideRecord(client, async () => {
    const person = await find(client, named);
    await change(person);
    return person;
  });

/**
 * Policies bind the owner of the record, too, and name roles, not owners, so that a copy can be restored by another. They are
 * lifted for the owner in a transaction of a few milliseconds, as migrations do; the gateway's roles wait, and stay bound.
 */
async function insideRecord<T>(client: OwnerClient, work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    // Whoever waits for a table keeps all behind them waiting: beside a backup this ends, and the gateway goes on.
    await client.query(`set local lock_timeout = '2s'`);
    for (const table of RECORD) await client.query(`alter table ${table} no force row level security`);
    const result = await work();
    for (const table of RECORD) await client.query(`alter table ${table} force row level security`);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

async function find(client: OwnerClient, named: NamedPerson): Promise<FoundPerson> {
  const [where, values] =
    'id' in named
      ? ['p.id = $1', [named.id]]
      : [
          'p.id = (select i.person_id from identity i where i.issuer = $1 and i.subject = $2)',
          [named.issuer, named.subject],
        ];
  const { rows } = await client.query<FoundPerson>(
    `select p.id, p.name, p.email, p.status, p.system_role as "systemRole" from person p where ${where} for update`,
    values,
  );
  if (rows[0]) return rows[0];
  const who = 'id' in named ? `has the id ${named.id}` : `signed in as ${named.subject} of ${named.issuer}`;
  throw new SystemAdminError(`Nobody ${who}.`);
}

const CHANGED = {
  SYSTEM_ADMIN: { action: 'system_admin.granted', changes: { system_role: ['USER', 'SYSTEM_ADMIN'] } },
  USER: { action: 'system_admin.revoked', changes: { system_role: ['SYSTEM_ADMIN', 'USER'] } },
} as const;

/** Changes the role and writes it in the deployment's record, by one statement. */
async function setRole(
  client: OwnerClient,
  id: string,
  role: keyof typeof CHANGED,
  { by, reason }: Change,
): Promise<void> {
  const { action, changes } = CHANGED[role];
  await client.query(
    `with changed as (
       update person set system_role = $2, updated_at = current_timestamp where id = $1 returning id, name
     ), drawn as materialized (select nextval('audit_number') as number, id, name from changed
     ), told as (
       insert into audit_entry (org_id, number, actor_kind, actor_name, action, target_type, target_id, target_name, changes, reason)
       select '', number, 'SYSTEM', $3 || ' as ' || session_user, $4, 'person', id, name, $5::jsonb, $6 from drawn
     )
     insert into audit_unsealed (org_id, number) select '', number from drawn`,
    [id, role, by, action, JSON.stringify(changes), reason],
  );
}
