/** Someone whom the development server lets anyone become. */
export interface Person {
  readonly email: string;
  readonly label: string;
}

/** Who is signed in, and where they belong. */
export interface SignedIn {
  readonly name: string | null;
  readonly organizations: readonly { readonly slug: string; readonly name: string; readonly role: string }[];
}

/** The people of the demo world; none where the server is not a development one. */
export interface DemoPeople {
  readonly people: readonly Person[];
  /** The header by which a development server takes this page for one from elsewhere, and shows it nobody. */
  readonly foreignHeader: string | null;
}

export async function findPeople(): Promise<DemoPeople> {
  const response = await fetch('/dev/people');
  return {
    people: response.ok ? ((await response.json()) as Person[]) : [],
    foreignHeader: response.headers.get('x-not-development'),
  };
}

export async function tokenFor(email: string): Promise<string> {
  const response = await fetch('/dev/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email }),
  });
  if (!response.ok) throw new Error('Could not sign in.');
  return ((await response.json()) as { token: string }).token;
}

const SIGNED_IN = `{
  viewer {
    user { name }
    memberships(first: 100) { nodes { role organization { slug name } } }
  }
}`;

/** Without a token: whoever signed in in this browser, if anyone did. */
export async function findSignedIn(token: string): Promise<SignedIn> {
  const { data, errors } = (await postGraphQL({ query: SIGNED_IN }, token, null, {})) as {
    data?: {
      viewer?: {
        user: { name: string } | null;
        memberships: { nodes: { role: string; organization: { slug: string; name: string } }[] };
      };
    };
    errors?: { message: string }[];
  };
  if (!data?.viewer && !token) return { name: null, organizations: [] };
  if (!data?.viewer) throw new Error(errors?.[0]?.message ?? 'The server did not say who is signed in.');
  return {
    name: data.viewer.user?.name ?? null,
    organizations: data.viewer.memberships.nodes.map(({ role, organization }) => ({ role, ...organization })),
  };
}

/** Any agent of an organization, by id. */
export async function findAgent(token: string, organization: string): Promise<string | null> {
  const query = '{ agents(first: 1) { nodes { id } } }';
  const { data } = (await postGraphQL({ query }, token, organization, {})) as {
    data?: { agents: { nodes: { id: string }[] } | null };
  };
  return data?.agents?.nodes[0]?.id ?? null;
}

/**
 * The token stays in this page's memory: it is nowhere that another page could read. The browser's own session stays out of
 * what a token says: it may be someone else's.
 */
export async function postGraphQL(
  request: object,
  token: string,
  organization: string | null,
  headers: Record<string, string>,
): Promise<never> {
  const response = await fetch('/graphql', {
    method: 'POST',
    credentials: token ? 'omit' : 'same-origin',
    headers: {
      ...headers,
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
      ...(organization && { 'x-organization-id': organization }),
    },
    body: JSON.stringify(request),
  });
  return (await response.json()) as never;
}
