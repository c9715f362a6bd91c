import { isIP } from 'node:net';
import type { Outside } from '../data/connection/outside.js';
import { openApiKeys } from '../identity/api-keys.js';
import { type HostedOrganization, openHosts } from '../identity/hosts.js';
import type { OrganizationStanding, OrganizationSummary } from '../identity/person.js';
import { part } from '../parts.js';
import { decideFeature } from '../permissions/features.js';
import type { Deployment } from './deployment.js';
import type { NamedOrganization } from './resolve-organization.js';

/** Which hosts name an organization, and what they name. Nothing is looked up here. */
export interface Hosts {
  /**
   * What the host of a request names: a slug of the base domain, a whole domain, or what nobody has. Null where it names none: at
   * the gateway's own address, the base domain itself, an address, `localhost` and other names of a single label.
   *
   * @param host as the request has it, perhaps with a port
   */
  nameIn(host: string): string | null;
  /** Whether the deployment itself is at this domain, or gives out the names under it. */
  isOurs(domain: string): boolean;
  /** The host of the gateway's own address: where the DNS of a custom host must lead. */
  target(): string;
  /** The origin of the gateway at a host that names an organization: its own, with this host in it. */
  originOf(host: string): string;
  /** Whether hosts name organizations here at all, their own domains as well. */
  readonly areNames: boolean;
  /** The host of an organization under the base domain; null where there is none. */
  under(slug: string): string | null;
}

export const HOSTS = part<Hosts>('hosts');

/** No id, slug or domain. */
const NOBODYS = '-';
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const LONGEST = 253;

/** @param baseDomain null where hosts name nothing */
export function createHosts(baseDomain: string | null, publicUrl: () => string): Hosts {
  let known = { url: '', host: '' };
  const target = (): string => {
    const url = publicUrl();
    if (known.url !== url) known = { url, host: new URL(url).hostname };
    return known.host;
  };
  const isUnder = (domain: string): boolean => baseDomain !== null && domain.endsWith(`.${baseDomain}`);
  return {
    nameIn(host) {
      if (baseDomain === null) return null;
      const name = withoutPort(host);
      const isPlain = !name.includes('.') || name.startsWith('[') || isIP(name) !== 0;
      if (isPlain || name === baseDomain || name === target()) return null;
      const labels = name.split('.');
      if (name.length > LONGEST || !labels.every((label) => LABEL.test(label))) return NOBODYS;
      if (!isUnder(name)) return name;
      const slug = name.slice(0, -baseDomain.length - 1);
      return slug.includes('.') ? NOBODYS : slug;
    },
    isOurs: (domain) => domain === baseDomain || isUnder(domain) || domain === target(),
    target,
    originOf(host) {
      const url = new URL(publicUrl());
      url.hostname = withoutPort(host);
      return url.origin;
    },
    areNames: baseDomain !== null,
    under: (slug) => baseDomain && `${slug}.${baseDomain}`,
  };
}

/** Without its port, in lower case, and without the dot that ends a name in full. */
export const withoutPort = (host: string): string =>
  host.startsWith('[') ? host : host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();

/** The domains of an organization serve while it has the feature, and none of its hosts once it is to be deleted. */
export const isServedAt = (
  name: string,
  { status }: Pick<OrganizationSummary, 'status'>,
  standing: OrganizationStanding,
): boolean => status !== 'PENDING_DELETION' && (!name.includes('.') || decideFeature(standing, 'custom_hosts').enabled);

/** The organization that a host leads to, read now; null where it is nobody's, or leads there no longer. */
export async function findHosted(outside: Outside, name: string): Promise<HostedOrganization | null> {
  const found = await outside(openHosts)(name);
  return found && isServedAt(name, found, found.standing) ? found : null;
}

/** Whether a host is the gateway's own or leads to an organization: for whoever issues certificates. */
export async function isServed(host: string, { outside, use }: Pick<Deployment, 'outside' | 'use'>): Promise<boolean> {
  const hosts = use(HOSTS);
  const name = hosts.nameIn(host);
  if (name === null) return withoutPort(host) === hosts.target();
  return (await findHosted(outside, name)) !== null;
}

interface Held {
  readonly organization: OrganizationSummary;
  readonly standing: OrganizationStanding;
}

/** Whether a name in a request stands for the organization that a key or a token is of. */
export async function isNameOf(
  { source, name }: NamedOrganization,
  { organization, standing }: Held,
  outside: Outside,
): Promise<boolean> {
  if (source === 'HOST') {
    if (name === organization.slug) return isServedAt(name, organization, standing);
    return (await findHosted(outside, name))?.orgId === organization.id;
  }
  if (name === organization.id || name === organization.slug) return true;
  return outside(openApiKeys).isFormerSlug(name, organization.id);
}
