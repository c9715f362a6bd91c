/** One place in a request that names an organization, by id or slug. */
export interface NamedOrganization {
  readonly source: 'PATH' | 'HEADER' | 'TOKEN';
  readonly name: string;
  /** What a name costs that turns out to be no membership: the request, or only its organization. */
  readonly required: boolean;
}

export interface OrganizationHeaders {
  readonly 'x-organization-id'?: string | string[] | undefined;
  readonly 'x-tenant-id'?: string | string[] | undefined;
}

/**
 * Where the request names an organization: its path, where the door has it there, and headers. Either overrides the token's claim; nothing is guessed here, and nothing
 * is looked up.
 */
export function namedOrganizations(
  headers: OrganizationHeaders,
  claim: string | null,
  path: string | null = null,
): NamedOrganization[] {
  const named = [headers['x-organization-id'], headers['x-tenant-id']].filter((value) => value !== undefined);
  // Two headers of one name name two organizations at once, which no membership has.
  const byHeader = named.map(
    (value) => ({ source: 'HEADER', name: lookupKey(String(value)), required: true }) as const,
  );
  if (path !== null) return [{ source: 'PATH', name: lookupKey(path), required: true }, ...byHeader];
  if (byHeader.length > 0) return byHeader;
  return claim === null ? [] : [{ source: 'TOKEN', name: lookupKey(claim), required: false }];
}

/** What could not be an id or a slug is looked up all the same, as a name that nothing has. */
const lookupKey = (name: string): string => (/^[\w-]{1,64}$/.test(name) ? name : '-');
