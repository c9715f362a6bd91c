import type { FetcherParams } from '@graphiql/toolkit';
import type { ExecutionResult } from 'graphql';
import { createClient } from 'graphql-sse';
import type { Known } from './samples.js';

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

const KNOWN = `{
  agents(first: 1) { nodes { id } }
  approvals(first: 1, filter: { status: PENDING }) { nodes { id inputHash } }
  notifications(first: 1, unread: true) { nodes { id } }
  members(last: 1, filter: { status: [ACTIVE] }) { nodes { user { id } } }
}`;

/** What samples can be about in an organization; what this person may not read is left out. */
export async function findKnown(token: string, organization: string): Promise<Known> {
  interface List<T> {
    readonly nodes: readonly T[];
  }
  const { data } = (await postGraphQL({ query: KNOWN }, token, organization, {})) as {
    data?: {
      agents: List<{ id: string }> | null;
      approvals: List<{ id: string; inputHash: string }> | null;
      notifications: List<{ id: string }> | null;
      members: List<{ user: { id: string } }> | null;
    };
  };
  return {
    agent: data?.agents?.nodes[0]?.id ?? null,
    approval: data?.approvals?.nodes[0] ?? null,
    notification: data?.notifications?.nodes[0]?.id ?? null,
    member: data?.members?.nodes[0]?.user.id ?? null,
  };
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
  const sent = headersOf(token, organization, headers);
  const response = await fetch('/graphql', {
    method: 'POST',
    credentials: credentialsOf(sent),
    headers: { ...sent, 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  return (await response.json()) as never;
}

/** The same for a subscription, which is answered bit by bit. */
export function followGraphQL(
  { query, operationName, variables }: FetcherParams,
  token: string,
  organization: string | null,
  headers: Record<string, string>,
): AsyncIterableIterator<ExecutionResult> {
  const sent = headersOf(token, organization, headers);
  const client = createClient({
    url: '/graphql',
    credentials: credentialsOf(sent),
    headers: sent,
    retryAttempts: 0,
  });
  const named = operationName == null ? {} : { operationName };
  return client.iterate({ query, variables: variables ?? {}, ...named }) as AsyncIterableIterator<ExecutionResult>;
}

const credentialsOf = (sent: Record<string, string>) => ('authorization' in sent ? 'omit' : 'same-origin');

/** What was typed under Headers goes before what the bar above says: another token, another organization. */
const headersOf = (
  token: string,
  organization: string | null,
  typed: Record<string, string>,
): Record<string, string> => ({
  ...(token && { authorization: `Bearer ${token}` }),
  ...(organization && { 'x-organization-id': organization }),
  ...Object.fromEntries(Object.entries(typed).map(([name, value]) => [name.toLowerCase(), value])),
});
