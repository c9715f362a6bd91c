import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { ErrorLink } from '@apollo/client/link/error';
import { relayStylePagination } from '@apollo/client/utilities';
import { switchMap, timer } from 'rxjs';
import { retryAfterOf, saysStandingChanged } from './errors';

const GATEWAY: string = import.meta.env.VITE_GATEWAY ?? 'http://localhost:4000';

/** Where to sign in: at the gateway, which sends people back to this very page. */
export const signInAddress = (): string => `${GATEWAY}/auth?return_to=${encodeURIComponent(location.href)}`;

const LONGEST_WAIT_S = 10;

function makeClient(organization: string | null): ApolloClient {
  const http = new HttpLink({
    uri: `${GATEWAY}/graphql`,
    // The session's cookie. It says who asks, and the header where: two tabs never disturb each other.
    credentials: 'include',
    headers: organization === null ? {} : { 'x-organization-id': organization },
  });
  // Nothing was done where an answer says when to come back, so even a mutation is sent again; once, and not for long.
  const again = new ErrorLink(({ error, operation, forward }) => {
    const seconds = retryAfterOf(error);
    if (seconds === null || seconds > LONGEST_WAIT_S) return undefined;
    return timer(seconds * 1000).pipe(switchMap(() => forward(operation)));
  });
  const noticed = new ErrorLink(({ error, operation }) => {
    if (!saysStandingChanged(error) || operation.operationName === 'Standing') return;
    void client.refetchQueries({ include: ['Standing'] });
  });
  const client = new ApolloClient({
    link: ApolloLink.from([noticed, again, http]),
    cache: new InMemoryCache({
      // A list is one list for each way to filter and order it, whatever pages of it were read.
      typePolicies: { Query: { fields: { members: relayStylePagination(['filter', 'orderBy']) } } },
    }),
  });
  return client;
}

const clients = new Map<string | null, ApolloClient>();

/** The client of an organization, with a cache of its own: what one organization answered is never shown in another. */
export function clientFor(organization: string | null): ApolloClient {
  const client = clients.get(organization) ?? makeClient(organization);
  clients.set(organization, client);
  return client;
}

/** Forgets all that was read, when someone signs out or is no member any more. */
export async function forget(organization?: string | null): Promise<void> {
  const over = organization === undefined ? [...clients.keys()] : [organization];
  for (const each of over) {
    await clients.get(each)?.clearStore();
    clients.delete(each);
  }
}
