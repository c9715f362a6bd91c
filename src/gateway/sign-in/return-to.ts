/**
 * Where to go after sign-in: a path of this gateway or a page of a web frontend in CORS_ORIGINS, as an absolute URL. Nowhere
 * else, or a link to the sign-in could lead anywhere in the gateway's name.
 *
 * @returns null when nothing was asked for, undefined when what was asked for is none of these
 */
export function parseReturnTo(
  asked: unknown,
  publicUrl: string,
  corsOrigins: readonly string[],
): string | null | undefined {
  if (asked === undefined || asked === '') return null;
  if (typeof asked !== 'string' || asked.length > 2000) return undefined;
  const isPath = asked.startsWith('/') && !asked.startsWith('//');
  if (!isPath && !/^https?:\/\//.test(asked)) return undefined;
  if (!URL.canParse(asked, publicUrl)) return undefined;
  const { origin, username, password, href } = new URL(asked, publicUrl);
  const isOurs = origin === publicUrl || corsOrigins.includes(origin);
  return isOurs && `${username}${password}` === '' ? href : undefined;
}

/**
 * A path of the sign-in that leads on to an address afterwards.
 *
 * @param anew whether the provider is to ask who it is, whomever it knows already
 */
export function leadingTo(returnTo: string | null, path: string, anew = false): string {
  const query = new URLSearchParams();
  if (anew) query.set('switch', '1');
  if (returnTo !== null) query.set('return_to', returnTo);
  return query.size > 0 ? `${path}?${query.toString()}` : path;
}

/** For the log, which origin a deployment may have forgotten; of the rest of the address nothing, since it may hold a secret. */
export function originAsked(asked: unknown): Error | undefined {
  const origin = typeof asked === 'string' && URL.canParse(asked) ? new URL(asked).origin : 'null';
  return origin === 'null' ? undefined : new Error(`it leads to ${origin}; CORS_ORIGINS names where it may lead`);
}

/** Which organization an address names: that of a page which was in one before, by slug or id. */
export function organizationNamedIn(returnTo: string): string | null {
  const named = new URL(returnTo).searchParams.get('organization') ?? '';
  return /^[\w-]{1,64}$/.test(named) ? named : null;
}

/** The same address with the organization that was chosen, for the page there to name in its requests. */
export function withOrganization(returnTo: string, slug: string): string {
  const url = new URL(returnTo);
  url.searchParams.set('organization', slug);
  return url.href;
}
