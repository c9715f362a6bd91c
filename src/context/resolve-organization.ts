/** One place in a request that names an organization, by id or slug; its host by a slug or a domain. */
export interface NamedOrganization {
  readonly source: 'HOST' | 'PATH' | 'HEADER' | 'TOKEN';
  readonly name: string;
  /** What a name costs that turns out to be no membership: the request, or only its organization. */
  readonly required: boolean;
}

export interface OrganizationHeaders {
  readonly 'x-organization-id'?: string | string[] | undefined;
  readonly 'x-tenant-id'?: string | string[] | undefined;
}

/** What a door knows of where a request names its organization, beside its headers. */
export interface NamedElsewhere {
  /** What `Hosts` reads from its host. */
  readonly host: string | null;
  /** Where the door has the organization in its path. */
  readonly path?: string | null;
}

/**
 * Where the request names an organization: its host, its path and headers. Each of them overrides the token's claim; nothing is
 * guessed here, and nothing is looked up.
 */
export function namedOrganizations(
  headers: OrganizationHeaders,
  claim: string | null,
  { host, path = null }: NamedElsewhere,
): NamedOrganization[] {
  const named = [headers['x-organization-id'], headers['x-tenant-id']].filter((value) => value !== undefined);
  // Two headers of one name name two organizations at once, which no membership has.
  const byHeader = named.map(
    (value) => ({ source: 'HEADER', name: lookupKey(String(value)), required: true }) as const,
  );
  const explicit: NamedOrganization[] = [
    ...namedByHost(host),
    ...(path === null ? [] : [{ source: 'PATH', name: lookupKey(path), required: true } as const]),
    ...byHeader,
  ];
  if (explicit.length > 0) return explicit;
  return claim === null ? [] : [{ source: 'TOKEN', name: lookupKey(claim), required: false }];
}

/** What a host names, where nothing else can. */
export const namedByHost = (host: string | null): NamedOrganization[] =>
  host === null ? [] : [{ source: 'HOST', name: host, required: true }];

/** What could not be an id or a slug is looked up all the same, as a name that nothing has. */
const lookupKey = (name: string): string => (/^[\w-]{1,64}$/.test(name) ? name : '-');
