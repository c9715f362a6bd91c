import type { Act } from '../../data/connection/act.js';
import {
  createDirectoryQuery,
  createHeldDirectoryQuery,
  type DirectoryQuery,
  inDirectoryTransaction,
} from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, newId, type OrgId } from '../../data/id.js';
import type { OrganizationStatus } from '../../generated/enums.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { type Page, pageOf, searchedOrganizations } from '../../identity/page.js';
import { notServed } from '../../permissions/organization-status.js';
import { personUser, type UserParent } from '../viewer/parent.js';
import type { AccountParent, FoundOrganization } from './parent.js';

/** All of them are shown at once, and may be invited at once. */
export const MOST_ADMINISTRATORS = 50;

/** Whose accounts: those that a person administers, or with `isAll` every one. */
export interface Whose {
  readonly personId: string;
  readonly isAll: boolean;
}

/** What became of adding somebody. */
export type Added = 'added' | 'full' | null;

/** Agencies and enterprises. Those whom an account is shown, and the right to change one, are the caller's to have checked where nothing is said. */
export interface Accounts {
  create(name: string, act: Act): Promise<AccountParent>;
  /** Null where there is no such account, or no such active person. */
  addAdministrator(accountId: string, personId: string, act: Act): Promise<Added>;
  /** False where they are none. */
  removeAdministrator(accountId: string, personId: string, act: Act): Promise<boolean>;
  /** By e-mail. */
  listAdministrators(accountId: string): Promise<UserParent[]>;
  list(whose: Whose, page: Page): Promise<AccountParent[]>;
  count(whose: Whose): Promise<number>;
  find(id: string, whose: Whose): Promise<AccountParent | null>;
  /** What it is called. */
  findName(id: string): Promise<string | null>;
  listOrganizations(account: AccountParent, page: Page): Promise<FoundOrganization[]>;
  countOrganizations(accountId: string, search: string | undefined): Promise<number>;
  /**
   * Takes what is offered, for an administrator. Null where it is not offered to this account, or the person is none.
   *
   * @throws FORBIDDEN while the organization is to be deleted
   */
  accept(at: Taken, now: Date, act: Act): Promise<FoundOrganization | null>;
  /** Ends that an organization belongs to an account, or is offered to it, for an administrator. As `accept`. */
  withdraw(at: Taken, act: Act): Promise<OrganizationSummary | null>;
}

export interface Taken {
  readonly accountId: string;
  readonly organizationId: string;
  /** Who takes it, or gives it back. */
  readonly personId: string;
}

// Who is removed meanwhile waits until it is done, or it is not done: whichever was first.
const ADMINISTRATOR = `
  administrator as materialized (
    select account_id from account_administrator where account_id = $1 and person_id = $2 for key share)`;

const CREATE = `insert into account (id, name, created_at) values ($1, $2, $3) returning id, name, created_at as "createdAt"`;

// Whoever is added meanwhile is counted by the statement behind it.
const HOLD = 'select id from account where id = $1 for no key update';
const ADD = `
  with there as (
    select count(*) as count, count(*) filter (where person_id = $2) > 0 as "isOne" from account_administrator where account_id = $1
  ), added as (
    insert into account_administrator (account_id, person_id)
    select a.id, p.id from account a, person p, there where a.id = $1 and p.id = $2 and p.status = 'ACTIVE' and there.count < ${MOST_ADMINISTRATORS}
    on conflict do nothing
  )
  select there."isOne" or there.count < ${MOST_ADMINISTRATORS} as "isRoom"
  from account a, person p, there where a.id = $1 and p.id = $2 and p.status = 'ACTIVE'`;
const REMOVE = 'delete from account_administrator where account_id = $1 and person_id = $2 returning person_id';

const ADMINISTRATORS = `
  select p.id, p.name, p.email from account_administrator a join person p on p.id = a.person_id
  where a.account_id = $1 and p.status = 'ACTIVE' order by p.email`;

type Administrator = Omit<UserParent, 'isMember'>;

const NAME = 'select name from account where id = $1';
const IS_OWN = 'exists (select from account_administrator w where w.account_id = a.id and w.person_id = $1)';
const WHOSE = `($2 or ${IS_OWN})`;
const ACCOUNT = `select a.id, a.name, a.created_at as "createdAt", ${IS_OWN} as "isOwn" from account a where ${WHOSE}`;
const COUNT = `select count(*)::int as count from account a where ${WHOSE}`;
const ORDERS = { id: 'a.id', name: 'a.name' };

const SEEN = `o.id, o.name, o.slug, o.status, o.region, o.environment, l.created_at as "offeredAt", l.accepted_at as "acceptedAt"`;
const ORGANIZATIONS = `
  select ${SEEN} from account_organization l join organization o on o.id = l.org_id where l.account_id = $1`;
const COUNT_ORGANIZATIONS = `
  select count(*)::int as count from account_organization l join organization o on o.id = l.org_id where l.account_id = $1`;
const ORGANIZATION_ORDERS = { id: 'o.id', name: 'o.name' };

// An organization that waits for its end stays as it is; whoever asks for that end waits until this is done, or it is not done.
const STANDING = `
  held as materialized (
    select o.id, o.status from administrator w
    join account_organization a on a.account_id = w.account_id and a.org_id = $3
    join organization o on o.id = a.org_id for share of o)`;
const ACCEPT = `
  with ${ADMINISTRATOR}, ${STANDING}, l as (
    update account_organization t set status = 'ACCEPTED', accepted_at = coalesce(t.accepted_at, $4) from held
    where t.org_id = held.id and t.account_id = $1 and held.status <> 'PENDING_DELETION' returning t.org_id, t.created_at, t.accepted_at
  )
  select held.status as "standing", ${SEEN} from held left join l on l.org_id = held.id left join organization o on o.id = l.org_id`;
const WITHDRAW = `
  with ${ADMINISTRATOR}, ${STANDING}, l as (
    delete from account_organization t using held
    where t.org_id = held.id and t.account_id = $1 and held.status <> 'PENDING_DELETION' returning t.org_id
  )
  select held.status as "standing", o.id, o.name, o.slug, o.status, o.created_at as "createdAt", o.set_id as "setId", o.base, o.project, o.region, o.environment
  from held left join l on l.org_id = held.id left join organization o on o.id = l.org_id`;

/** What became of one, without which nothing was done. */
type Ended<Row> = (Row | { readonly id: null }) & { readonly standing: OrganizationStatus };

/** @throws FORBIDDEN where it waits for its end */
function doneTo<Row extends object>(rows: readonly Ended<Row>[]): Row | null {
  const [row] = rows;
  if (row?.standing === 'PENDING_DELETION') throw notServed(row.standing);
  if (!row || ('id' in row && row.id === null)) return null;
  const { standing: _standing, ...done } = row;
  return done as Row;
}

type OrganizationRow = Omit<FoundOrganization, 'opened'>;

/** Opened for an administrator of the account that it belongs to, and for nobody else. */
const toOrganization = (row: OrganizationRow, isOwn: boolean): FoundOrganization => ({
  ...row,
  opened: isOwn && row.acceptedAt !== null ? brandOrgId(row.id) : null,
});

export function openAccounts(pool: ScopedPool): Accounts {
  const query = createDirectoryQuery(pool);
  return {
    async create(name, act) {
      const [made] = await query<Omit<AccountParent, 'isOwn'>>(CREATE, [newId('acc'), name, pool.clock.now()], act);
      if (!made) throw new Error('an account that was made is not answered');
      return { ...made, isOwn: false };
    },
    async addAdministrator(accountId, personId, act) {
      const [found] = await inDirectoryTransaction(pool, async (held) => {
        await held(HOLD, [accountId]);
        return held<{ isRoom: boolean }>(ADD, [accountId, personId], act);
      });
      return found ? (found.isRoom ? 'added' : 'full') : null;
    },
    async removeAdministrator(accountId, personId, act) {
      return (await query(REMOVE, [accountId, personId], act)).length > 0;
    },
    listAdministrators: async (accountId) => (await query<Administrator>(ADMINISTRATORS, [accountId])).map(personUser),
    list(whose, page) {
      const values: unknown[] = [whose.personId, whose.isAll];
      return query<AccountParent & object>(`${ACCOUNT}${pageOf(ORDERS, page, values)}`, values);
    },
    async count({ personId, isAll }) {
      const [row] = await query<{ count: number }>(COUNT, [personId, isAll]);
      return row?.count ?? 0;
    },
    async find(id, { personId, isAll }) {
      const [found] = await query<AccountParent & object>(`${ACCOUNT} and a.id = $3`, [personId, isAll, id]);
      return found ?? null;
    },
    async findName(id) {
      const [found] = await query<{ name: string }>(NAME, [id]);
      return found?.name ?? null;
    },
    async listOrganizations({ id, isOwn }, page) {
      const values: unknown[] = [id];
      const narrowed = searchedOrganizations(page.search, values);
      const rows = await query<OrganizationRow>(
        `${ORGANIZATIONS}${narrowed}${pageOf(ORGANIZATION_ORDERS, page, values)}`,
        values,
      );
      return rows.map((row) => toOrganization(row, isOwn));
    },
    async countOrganizations(accountId, search) {
      const values: unknown[] = [accountId];
      const narrowed = searchedOrganizations(search, values);
      const [row] = await query<{ count: number }>(`${COUNT_ORGANIZATIONS}${narrowed}`, values);
      return row?.count ?? 0;
    },
    async accept({ accountId, organizationId, personId }, now, act) {
      const values = [accountId, personId, organizationId, now];
      const taken = doneTo(await query<Ended<OrganizationRow>>(ACCEPT, values, act));
      return taken ? toOrganization(taken, true) : null;
    },
    async withdraw({ accountId, organizationId, personId }, act) {
      return doneTo(await query<Ended<OrganizationSummary>>(WITHDRAW, [accountId, personId, organizationId], act));
    },
  };
}

/** What stands in a transaction of one organization, on its connection. */
export interface HeldAccounts {
  /** What an account is called; null where there is no such account. */
  findName(accountId: string): Promise<string | null>;
  /**
   * Whether this person administers it. Whoever ends that waits for the transaction, and what began afterwards finds them to be none.
   */
  holdAdministrator(accountId: string, personId: string): Promise<boolean>;
  /** The account that all organizations of a set belong to, as in `holdAdministrator`; null where there is none, or they do not administer it. */
  holdAccountOf(setId: string, personId: string): Promise<string | null>;
  /** The others, by e-mail. */
  listOthers(accountId: string, personId: string): Promise<UserParent[]>;
  /** Has an organization that was just made belong to an account. */
  take(orgId: OrgId, accountId: string, now: Date, act: Act): Promise<void>;
}

const HOLD_ADMINISTRATOR = `with ${ADMINISTRATOR} select account_id from administrator`;
// Offered is not taken, and a set of which one belongs elsewhere belongs nowhere.
const HOLD_ACCOUNT_OF = `
  select w.account_id as "accountId" from account_administrator w
  where w.person_id = $2 and w.account_id = (
    select min(l.account_id) from organization o
    left join account_organization l on l.org_id = o.id and l.status = 'ACCEPTED'
    where o.set_id = $1
    having count(distinct l.account_id) = 1 and count(l.account_id) = count(*))
  for key share`;
const TAKE = `
  insert into account_organization (org_id, account_id, status, created_at, accepted_at) values ($1, $2, 'ACCEPTED', $3, $3)`;

export function openHeldAccounts(pool: ScopedPool): HeldAccounts {
  const query: DirectoryQuery = createHeldDirectoryQuery(pool);
  return {
    async findName(accountId) {
      const [found] = await query<{ name: string }>(NAME, [accountId]);
      return found?.name ?? null;
    },
    async holdAdministrator(accountId, personId) {
      return (await query(HOLD_ADMINISTRATOR, [accountId, personId])).length > 0;
    },
    async holdAccountOf(setId, personId) {
      const [held] = await query<{ accountId: string }>(HOLD_ACCOUNT_OF, [setId, personId]);
      return held?.accountId ?? null;
    },
    async listOthers(accountId, personId) {
      const all = await query<Administrator>(ADMINISTRATORS, [accountId]);
      return all.filter(({ id }) => id !== personId).map(personUser);
    },
    async take(orgId, accountId, now, act) {
      await query(TAKE, [orgId, accountId, now], act);
    },
  };
}
