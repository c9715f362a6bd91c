import { bySystem, type Origin } from '../../data/connection/act.js';
import type { Outside } from '../../data/connection/outside.js';
import type { OrgId } from '../../data/id.js';
import type {
  LockedDb,
  OpenOrganizationDb,
  OrganizationDb,
  RequestDb,
} from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { domainOfEmail, nameOfEmail } from '../../dns-name.js';
import { OrgateError } from '../../errors.js';
import { openHeldRegistry, openRegistry } from '../../identity/registry.js';
import type { Person } from '../../identity/person.js';
import type { Catalogue } from '../../permissions/catalogue.js';
import { type Enrolled, enrolMember } from '../../rights/enrol-member.js';
import { takeInvitation } from '../invitation/index.js';

/** What an identity provider said of someone; its signature, audience, time and the way here were verified. */
export interface Assertion {
  /** Who they are there, for good. */
  readonly subject: string;
  /** In lower case; null when the provider did not say that it verified one. */
  readonly verifiedEmail: string | null;
  readonly name: string | null;
}

/** The provider that said it. */
export interface AssertingProvider {
  readonly id: string;
  readonly organization: { readonly orgId: OrgId } | null;
  readonly emailDomains: readonly string[] | null;
}

/** Why someone whom their provider knows is not let in. */
export type NotAdmitted = 'UNKNOWN' | 'EMAIL_UNVERIFIED' | 'EMAIL_DOMAIN' | 'NO_MEMBERSHIP' | 'DISABLED';

export class NotAdmittedError extends Error {
  override readonly name = 'NotAdmittedError';

  constructor(
    readonly reason: NotAdmitted,
    options?: ErrorOptions,
  ) {
    super(`not admitted: ${reason}`, options);
  }
}

/** The issuer of identities that a provider asserts. Not what the provider calls itself, which another could as well. */
export const identityIssuer = (providerId: string): string => `urn:orgate:provider:${providerId}`;

export interface Provisioning {
  readonly outside: Outside;
  readonly organizationDb: OpenOrganizationDb;
  readonly catalogue: Catalogue;
}

/**
 * The person whom a provider speaks of. They are known by the provider and their subject there; an e-mail counts once,
 * to find or make them, and only where the provider may speak for its domain. An organization's own provider also makes
 * them a member: as invited, else in its default role.
 *
 * @throws NotAdmittedError
 */
export async function provisionFromProvider(
  { outside, organizationDb, catalogue }: Provisioning,
  provider: AssertingProvider,
  { subject, verifiedEmail, name }: Assertion,
  from: Origin,
): Promise<Person> {
  const { organization } = provider;
  const registry = outside(openRegistry);
  const db = organization && organizationDb(organization.orgId, { ...bySystem('sign-in'), ...from });
  const identity = { issuer: identityIssuer(provider.id), subject, verifiedEmail, name };
  const find = () => registry.findPerson({ kind: 'identity', identity }, organization ? [organization.orgId] : []);

  let found = await find();
  if (!found) {
    if (verifiedEmail === null) throw new NotAdmittedError('EMAIL_UNVERIFIED');
    if (!db) await assertMaySpeakFor(verifiedEmail, provider, db);
    const proven = { ...identity, verifiedEmail, name: organization ? null : name };
    if (db) await provisionHere(db, provider, verifiedEmail, () => outside(openHeldRegistry).provision(proven, from));
    else await registry.provision(proven, from);
    found = await find();
  }
  if (found?.person.status !== 'ACTIVE') throw new NotAdmittedError('DISABLED');
  const { person, memberships } = found;
  if (db && organization && memberships.length === 0) {
    const calledHere = { ...person, name: name ?? nameOfEmail(person.email) };
    const asThem = { kind: 'PERSON', id: person.id, name: calledHere.name, ...from } as const;
    await enrol(organizationDb(organization.orgId, asThem), provider, calledHere, catalogue);
  }
  return person;
}

async function assertMaySpeakFor(email: string, provider: AssertingProvider, db: OrganizationDb | null): Promise<void> {
  const domain = domainOfEmail(email) ?? '';
  const may = db
    ? (await db.address.find({ name: domain, kind: 'DOMAIN' })) !== null
    : (provider.emailDomains?.includes(domain) ?? true);
  if (!may) throw new NotAdmittedError('EMAIL_DOMAIN');
}

/**
 * Makes known whom an organization's own provider speaks of, while it may: once the organization is to be deleted nobody is tied to
 * it any more, or what the purge forgets would come again behind it.
 */
const provisionHere = (
  db: RequestDb,
  provider: AssertingProvider,
  verifiedEmail: string,
  provision: () => Promise<void>,
): Promise<void> =>
  db.locked(async (inside) => {
    await assertStillThere(inside, provider);
    await assertMaySpeakFor(verifiedEmail, provider, inside);
    await provision();
  });

/** @returns the provider as it is now */
async function assertStillThere(inside: LockedDb, { id }: AssertingProvider): Promise<Row<'IdentityProvider'>> {
  if (inside.held.status !== 'ACTIVE') throw new NotAdmittedError('NO_MEMBERSHIP');
  const provider = await inside.identityProvider.find({ id, status: 'ACTIVE' });
  if (!provider) throw new NotAdmittedError('UNKNOWN');
  return provider;
}

/**
 * Whoever was suspended stays so, and whoever was removed until that is cleared or someone invited them again. An
 * invitation counts as it would if they had followed its link. A provider takes its time to answer; one that was switched
 * off meanwhile, or whose organization gave the domain up, makes nobody a member.
 */
const enrol = (db: RequestDb, asserting: AssertingProvider, person: Enrolled, catalogue: Catalogue): Promise<unknown> =>
  db
    .locked(async (inside) => {
      const provider = await assertStillThere(inside, asserting);
      await assertMaySpeakFor(person.email, asserting, inside);
      const own = await inside.membership.find({ userId: person.id });
      const invited = await takeInvitation(inside, person, catalogue);
      const assignment = invited ?? { role: provider.defaultRole, granted: [], withheld: [] };
      await enrolMember(inside, person, assignment, {
        reactivateRemoved: invited !== null || (own?.mayRejoin ?? false),
      });
    })
    .catch((error: unknown) => {
      if (!(error instanceof OrgateError) || error.code !== 'CONFLICT') throw error;
      throw new NotAdmittedError('NO_MEMBERSHIP', { cause: error });
    });
