import type { Environment, OrganizationRole } from '../generated/enums.js';
import type {
  ActiveMembership,
  OrganizationStanding,
  OrganizationSummary,
  Person,
  PersonInOrganizations,
} from './person.js';
import { organizationAt, organizationNamed } from './slugs.js';

/** Who asks, as far as a verified credential says. */
export type Claimant =
  | { readonly kind: 'identity'; readonly identity: { readonly issuer: string; readonly subject: string } }
  | { readonly kind: 'session'; readonly sessionId: string; readonly personId: string }
  | { readonly kind: 'cookie'; readonly cookieHash: string };

const PERSON = `p.id as "personId", p.email as "personEmail", p.name as "personName", p.system_role as "systemRole",
  p.status as "personStatus", p.default_org_id as "defaultOrgId"`;

const SESSION = `s.id as "sessionId", s.bound_org_id as "boundOrgId", s.expires_at as "sessionExpiresAt",
  s.last_used_at as "sessionLastUsedAt", s.created_at as "sessionStartedAt"`;

/**
 * Whether whose membership it is is active in another organization, too, that is not of the same set; `o` is the membership's own. What is to be
 * deleted counts for nothing: nobody works there, and its last OWNER cannot leave it.
 */
export const belongsOutside = (membership: string, o: string): string => `exists (
  select from membership x join organization xo on xo.id = x.org_id
  where x.user_id = ${membership}.user_id and x.org_id <> ${membership}.org_id and x.status = 'ACTIVE'
    and xo.status <> 'PENDING_DELETION' and (${o}.set_id is null or xo.set_id is distinct from ${o}.set_id))`;

/** Whether that keeps them out of the membership's organization. */
export const isBarred = (membership: string, o: string): string =>
  `case when ${o}.membership_rule = 'SET_ONLY' then ${belongsOutside(membership, o)} else false end`;

export const MEMBERSHIP = `m.id as "membershipId", m.org_id as "orgId", m.user_id as "userId", m.email, m.name, m.role, m.granted, m.withheld,
  m.created_at as "createdAt", m.joined_at as "joinedAt", o.name as "organizationName", o.slug, o.status as "organizationStatus",
  ${isBarred('m', 'o')} as "isBarred",
  o.created_at as "organizationCreatedAt", o.set_id as "setId", o.base, o.project, o.region, o.environment, o.plan, o.entitlements, o.feature_flags as "featureFlags"`;

/** A session that still holds. */
export const isLive = (alias: string): string =>
  `${alias}.ended_at is null and ${alias}.expires_at > current_timestamp`;

/** Where a credential leads to its person. An identity reaches every organization of theirs, a session perhaps one. */
const CLAIMANTS = {
  identity: {
    columns: '',
    from: 'identity i join person p on p.id = i.person_id',
    where: 'i.issuer = $1 and i.subject = $2',
    values: ({ identity }: ClaimantOf<'identity'>) => [identity.issuer, identity.subject],
    reaches: () => 'true',
  },
  session: {
    columns: `, ${SESSION}`,
    from: 'session s join person p on p.id = s.person_id',
    where: `s.id = $1 and s.person_id = $2 and ${isLive('s')}`,
    values: ({ sessionId, personId }: ClaimantOf<'session'>) => [sessionId, personId],
    reaches: withinBounds,
  },
  cookie: {
    columns: `, ${SESSION}`,
    from: 'session s join person p on p.id = s.person_id',
    where: `s.cookie_hash = $1 and ${isLive('s')}`,
    values: ({ cookieHash }: ClaimantOf<'cookie'>) => [cookieHash],
    reaches: withinBounds,
  },
} as const;

type ClaimantOf<K extends Claimant['kind']> = Extract<Claimant, { kind: K }>;

/** Where a session reaches that may be bound to one organization. */
export function withinBounds(membership: string): string {
  const isOfStay = beganSinceJoining('s.created_at', membership);
  return `(s.bound_org_id is null or (${membership}.org_id = s.bound_org_id and ${isOfStay}))`;
}

/** What an organization's own provider signed in counts for the stay in which it did: whoever came back signs in anew. */
export const beganSinceJoining = (startedAt: string, membership: string): string =>
  `${membership}.joined_at <= ${startedAt}`;

/** Which parameters there are, beside the claimant's own. */
interface Asked {
  readonly cookieAt: number | false;
  readonly namesAt: number | false;
  readonly isSole: boolean;
  /** Whether a name is the domain of a host. */
  readonly isHost: boolean;
}

/** Two dozen texts at the most, each written once: every request asks with one of them. */
const texts = new Map<string, string>();

/**
 * With names: one row for each, and one primary-key read. Without: the default, and enough others to tell whether there
 * is only one. Without memberships a single row says who asks.
 */
export function findPersonStatement(
  claimant: Claimant,
  { names, cookieHash, movedMs }: { names: readonly string[]; cookieHash: string | null; movedMs: number },
) {
  const { kind } = claimant;
  const values: unknown[] = CLAIMANTS[kind].values(claimant as never);
  const cookieAt = cookieHash !== null && values.push(cookieHash);
  const isSole = names.length === 1;
  const namesAt = names.length > 0 && values.push(isSole ? names[0] : names, movedMs) - 1;
  const isHost = names.some((name) => name.includes('.'));
  const key = `${kind} ${cookieAt} ${namesAt} ${isSole} ${isHost}`;
  const text = texts.get(key) ?? writeStatement(kind, { cookieAt, namesAt, isSole, isHost });
  texts.set(key, text);
  return { text, values };
}

/** The parameters beside the claimant's own are told by their number, and left out where there are none. */
function writeStatement(kind: Claimant['kind'], { cookieAt, namesAt, isSole, isHost }: Asked): string {
  const { columns, from, where, reaches } = CLAIMANTS[kind];
  const cookie = cookieAt
    ? `, (select c.person_id from session c where c.cookie_hash = $${cookieAt} and ${isLive('c')}) as "cookiePersonId"`
    : '';
  // PostgreSQL guesses at the length of a list, finds its plan for any list dear, and so would plan anew every time, which
  // takes four times as long as the reading. A single name, which nearly every request has, is no list.
  const [list, name] = isSole
    ? ['', `$${namesAt}::text`]
    : [`cross join unnest($${namesAt}::text[]) as ref(name)`, 'ref.name'];
  const organization = isHost ? organizationAt : organizationNamed;
  const memberships = namesAt
    ? `${list} left join membership m on m.org_id = ${organization(name, `$${namesAt + 1}`)} and m.user_id = p.id
         and m.status = 'ACTIVE' and ${reaches('m')}`
    : `left join lateral (
         (select * from membership d
          where d.org_id = p.default_org_id and d.user_id = p.id and d.status = 'ACTIVE' and ${reaches('d')})
         union
         (select * from membership e where e.user_id = p.id and e.status = 'ACTIVE' and ${reaches('e')}
          order by e.org_id limit 2)
       ) m on true`;
  return `select ${PERSON}, ${MEMBERSHIP}${columns}${cookie}${namesAt ? `, ${name} as named` : ''} from ${from} ${memberships}
    left join organization o on o.id = m.org_id where ${where}`;
}

export interface MembershipRow {
  membershipId: string;
  orgId: string;
  userId: string;
  email: string;
  name: string;
  role: OrganizationRole;
  granted: string[];
  withheld: string[];
  createdAt: Date;
  joinedAt: Date | null;
  organizationName: string;
  slug: string;
  organizationStatus: OrganizationSummary['status'];
  isBarred: boolean;
  organizationCreatedAt: Date;
  setId: string | null;
  base: string | null;
  project: string | null;
  region: string | null;
  environment: Environment | null;
  plan: OrganizationStanding['plan'];
  entitlements: unknown;
  featureFlags: unknown;
}

interface PersonRow {
  personId: string;
  personEmail: string;
  personName: string;
  systemRole: Person['systemRole'];
  personStatus: Person['status'];
  defaultOrgId: string | null;
}

interface SessionRow {
  sessionId?: string;
  boundOrgId: string | null;
  sessionExpiresAt: Date;
  sessionLastUsedAt: Date;
  sessionStartedAt: Date;
  cookiePersonId?: string | null;
  named?: string;
}

export type FoundRow = PersonRow & SessionRow & (MembershipRow | { orgId: null });

export function toPersonInOrganizations(rows: readonly FoundRow[]): PersonInOrganizations | null {
  const [first] = rows;
  if (!first) return null;
  return {
    person: {
      id: first.personId,
      email: first.personEmail,
      name: first.personName,
      systemRole: first.systemRole,
      status: first.personStatus,
      defaultOrgId: first.defaultOrgId,
    },
    memberships: rows
      .filter((row) => row.orgId !== null)
      .map((row) => ({ ...toMembership(row), named: row.named ?? null })),
    session:
      first.sessionId === undefined
        ? null
        : {
            id: first.sessionId,
            boundOrgId: first.boundOrgId,
            expiresAt: first.sessionExpiresAt,
            lastUsedAt: first.sessionLastUsedAt,
            startedAt: first.sessionStartedAt,
          },
    cookiePersonId: first.cookiePersonId ?? null,
  };
}

export const toMembership = (row: MembershipRow): ActiveMembership => ({
  organization: {
    id: row.orgId,
    name: row.organizationName,
    slug: row.slug,
    status: row.organizationStatus,
    createdAt: row.organizationCreatedAt,
    setId: row.setId,
    base: row.base,
    project: row.project,
    region: row.region,
    environment: row.environment,
  },
  id: row.membershipId,
  userId: row.userId,
  email: row.email,
  name: row.name,
  role: row.role,
  status: 'ACTIVE',
  granted: row.granted,
  withheld: row.withheld,
  isBarred: row.isBarred,
  createdAt: row.createdAt,
  joinedAt: row.joinedAt,
  standing: { plan: row.plan, entitlements: row.entitlements, featureFlags: row.featureFlags },
});
