import { hash } from 'node:crypto';
import type { Origin } from '../data/connection/act.js';
import { brandVerifiedOrgId } from '../data/id.js';
import { nameOfEmail } from '../dns-name.js';
import { OrgateError } from '../errors.js';
import { openRegistry } from '../identity/registry.js';
import type { ActiveMembership, Person, PersonInOrganizations } from '../identity/person.js';
import { part } from '../parts.js';
import type { Catalogue } from '../permissions/catalogue.js';
import type { PersonCredential } from './authenticate.js';
import type { ContextSource, CurrentOrganization } from './context.js';
import type { Viewer } from './viewer.js';
import { CATALOGUE, type Deployment } from './deployment.js';
import { elsewhereOf } from './elsewhere.js';
import { conflictingNames } from './conflicting-names.js';
import { isServedAt } from './hosts.js';
import type { NamedOrganization } from './resolve-organization.js';

/** Lets whoever just signed in into the organization that the domain of their e-mail leads to, where that says so. Never fails. */
export const JOIN_ON_SIGN_IN = part<(person: Person, from?: Origin) => Promise<void>>('joining at sign-in');

const ID = /^org_[0-9a-v]{26}$/;

/** Ids as they are, and of what is no id a digest: somebody may have put a secret there. */
export const toldName = (name: string): string =>
  ID.test(name) ? name : `sha256:${hash('sha256', name).slice(0, 16)}`;

/** Who named which organizations and is in none of them: for the log of the deployment, and never for whoever was named. */
export class NotEnteredError extends Error {
  override readonly name = 'NotEnteredError';

  /** As they may be told. */
  readonly names: readonly string[];

  constructor(
    readonly personId: string,
    names: readonly string[],
  ) {
    super('named an organization without being in it');
    this.names = names.map(toldName);
  }

  /** What whoever asked is told: the same whether or not there is such an organization. */
  static refusing(...asked: ConstructorParameters<typeof NotEnteredError>): OrgateError {
    const cause = new NotEnteredError(...asked);
    return new OrgateError('NOT_FOUND', 'The organization that the request names is none of yours.', {}, { cause });
  }
}

type Entering = Pick<Deployment, 'outside' | 'use'>;

export interface Entered {
  readonly viewer: Viewer;
  readonly current: CurrentOrganization | null;
}

/**
 * From a verified credential and what the request named to a person and their membership, read live in one round trip.
 * With `enterWithKey`, `enterImpersonating`, `enterAsMachine` and `enterDirectory` the only place that lets a request into an organization.
 *
 * @param cookieHash of the cookie that came beside a token: it must not name anyone else
 * @param from the request, for the record of whom it makes known
 * @throws UNAUTHENTICATED when no active person stands behind the credential; NOT_FOUND when the host, the path or a header
 *   names what the person is no member of, foreign and unknown alike, and ORG_IN_OTHER_REGION to who may know that; ORG_CONTEXT_CONFLICT when
 *   two of them name different ones
 */
export async function enterOrganization(
  deployment: Entering,
  credential: PersonCredential,
  named: readonly NamedOrganization[],
  cookieHash: string | null = null,
  from?: Origin,
): Promise<Entered> {
  const catalogue = deployment.use(CATALOGUE);
  const found = await findOrProvision(deployment, credential, named, cookieHash, from);
  const { memberships, session, cookiePersonId } = found;
  const person = withinSessionScope(found);
  if (person.status !== 'ACTIVE') throw new OrgateError('UNAUTHENTICATED');
  if (cookiePersonId !== null && cookiePersonId !== person.id) throw otherPerson();
  const viewer: Viewer = {
    person,
    apiKey: null,
    impersonation: null,
    executor: null,
    claim: null,
    session: {
      id: session?.id ?? null,
      boundOrgId: session?.boundOrgId ?? null,
      lastUsedAt: session?.lastUsedAt ?? null,
      startedAt: session?.startedAt ?? null,
      expiresAt: credential.kind === 'cookie' ? toSeconds(session?.expiresAt) : credential.expiresAt,
      renewable: session !== null || (credential.kind === 'identity' && credential.development),
    },
  };
  const enter = (membership: ActiveMembership, source: ContextSource, servesMutations = true): Entered => ({
    viewer,
    current: toCurrent(catalogue, membership, source, servesMutations),
  });

  if (named.length > 0) {
    const held = named.map(({ source, name }) =>
      memberships.find(
        (each) => each.named === name && (source !== 'HOST' || isServedAt(name, each.organization, each.standing)),
      ),
    );
    const [first] = held;
    const missed = named.filter(({ required }, index) => required && !held[index]).map(({ name }) => name);
    if (missed.length > 0) {
      const elsewhere = session?.boundOrgId == null ? await elsewhereOf(deployment, person.id, missed) : null;
      throw elsewhere ?? NotEnteredError.refusing(person.id, missed);
    }
    if (held.some((each) => each?.organization.id !== first?.organization.id)) {
      throw conflictingNames({ viewer: person.id });
    }
    return first && named[0] ? enter(first, named[0].source) : { viewer, current: null };
  }

  const isSole = memberships.length === 1;
  const chosen = memberships.find(({ organization }) => organization.id === person.defaultOrgId);
  if (chosen) return enter(chosen, 'DEFAULT', isSole);
  return isSole && memberships[0] ? enter(memberships[0], 'SOLE_MEMBERSHIP') : { viewer, current: null };
}

/** A cookie came beside a token, and is somebody else's. */
export const otherPerson = (): OrgateError =>
  new OrgateError('UNAUTHENTICATED', 'The cookie and the bearer token name different people.');

const toSeconds = (instant = new Date(0)): number => Math.floor(instant.getTime() / 1000);

/**
 * An organization's own provider says who someone is in that organization: whoever runs the deployment is an ordinary
 * person there, and is called what they are called in there.
 */
export function withinSessionScope({ person, session, memberships }: PersonInOrganizations): Person {
  if (session?.boundOrgId == null) return person;
  const name = memberships[0]?.name ?? nameOfEmail(person.email);
  return { ...person, name, systemRole: 'USER' };
}

async function findOrProvision(
  { outside, use }: Entering,
  credential: PersonCredential,
  named: readonly NamedOrganization[],
  cookieHash: string | null,
  from: Origin | undefined,
): Promise<PersonInOrganizations> {
  const registry = outside(openRegistry);
  const find = () =>
    registry.findPerson(
      credential,
      named.map(({ name }) => name),
      cookieHash,
    );
  const found = await find();
  if (found) return found;
  // An e-mail that the issuer did not verify says nothing about who is asking.
  if (credential.kind !== 'identity' || credential.identity.verifiedEmail === null) {
    throw new OrgateError('UNAUTHENTICATED');
  }
  await registry.provision({ ...credential.identity, verifiedEmail: credential.identity.verifiedEmail }, from);
  const provisioned = await find();
  if (!provisioned) throw new OrgateError('UNAUTHENTICATED');
  await use(JOIN_ON_SIGN_IN)(provisioned.person, from);
  return (await find()) ?? provisioned;
}

/** The organization that a membership, or what stands in its place, lets this request into; it was read just now. */
export function toCurrent(
  catalogue: Catalogue,
  membership: ActiveMembership,
  source: ContextSource,
  servesMutations: boolean,
): CurrentOrganization {
  const { organization, role, granted, withheld } = membership;
  return {
    orgId: brandVerifiedOrgId(organization.id),
    organization,
    membership,
    role,
    // Whoever is barred gets in to leave, and holds nothing.
    permissions: membership.isBarred ? new Set() : catalogue.effective(role, granted, withheld),
    source,
    servesMutations,
  };
}
