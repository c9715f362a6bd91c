import { createHash } from 'node:crypto';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { expect, test } from '@jest/globals';
import { cacheExchange, Client as UrqlClient, fetchExchange, gql as urqlGql } from '@urql/core';
import { ClientError, GraphQLClient } from 'graphql-request';
import { givenOrganization } from '../../support/given.js';
import { type Client, useServer } from '../../support/server.js';

const server = useServer();

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const MEMBERS = gql`
  query Members($first: Int) {
    members(first: $first) {
      nodes {
        id
        role
      }
    }
  }
`;

const bearer = ({ token }: Client) => ({ authorization: `Bearer ${token}` });

/** What clients send by, and the methods that they chose. */
function watchedFetch() {
  const methods: string[] = [];
  const watched: typeof fetch = (address, init) => {
    methods.push(init?.method ?? 'GET');
    return fetch(address, init);
  };
  return { methods, fetch: watched };
}

/** Apollo's client as an application makes it, and the methods it asked by. */
function apolloFor(person: Client, links: readonly ApolloLink[]) {
  const { methods, fetch: watched } = watchedFetch();
  const http = new HttpLink({ uri: `${server.url}/graphql`, headers: bearer(person), fetch: watched });
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.from([...links, http]),
    clientAwareness: { name: 'test', version: '1' },
  });
  return { client, methods };
}

test.each([
  [false, ['POST', 'POST', 'POST']],
  [true, ['GET', 'POST', 'POST']],
])(
  "Apollo's persisted queries are told once that there are none, and go on with documents (hashes by GET: %s)",
  async (useGETForHashedQueries, expected) => {
    const { owner } = await givenOrganization(server);
    const { client, methods } = apolloFor(owner, [new PersistedQueryLink({ sha256, useGETForHashedQueries })]);
    for (const first of [1, 2]) {
      const { data } = await client.query({ query: MEMBERS, variables: { first } });
      expect(data).toMatchObject({ members: { nodes: Array.from({ length: first }, () => expect.anything()) } });
    }
    expect(methods).toEqual(expected);
  },
);

test("a role that a mutation changed is the new one wherever Apollo's cache has that membership", async () => {
  const { owner } = await givenOrganization(server);
  const { client } = apolloFor(owner, []);
  const read = () => client.readQuery<{ members: { nodes: { id: string; role: string }[] } }>({ query: MEMBERS });
  await client.query({ query: MEMBERS });
  const MINE = gql`
    query ($search: String!) {
      members(filter: { search: $search }) {
        nodes {
          user {
            id
          }
        }
      }
    }
  `;
  const found = await client.query<{ members: { nodes: { user: { id: string } }[] } }>({
    query: MINE,
    variables: { search: 'viewer-' },
  });
  const UPDATE = gql`
    mutation ($id: ID!) {
      updateMemberRole(userId: $id, role: DEVELOPER) {
        id
        role
      }
    }
  `;
  const rolesBefore = read()?.members.nodes.map(({ role }) => role);
  await client.mutate({ mutation: UPDATE, variables: { id: found.data?.members.nodes[0]?.user.id } });
  expect(rolesBefore?.toSorted()).toEqual(['ADMIN', 'DEVELOPER', 'OWNER', 'VIEWER']);
  expect(
    read()
      ?.members.nodes.map(({ role }) => role)
      .toSorted(),
  ).toEqual(['ADMIN', 'DEVELOPER', 'DEVELOPER', 'OWNER']);
});

const ROLES = `query Roles($search: String) {
  members(filter: { search: $search }) {
    nodes {
      id
      role
      user {
        id
      }
    }
  }
}`;
const PROMOTE = `mutation Promote($id: ID!) {
  updateMemberRole(userId: $id, role: DEVELOPER) {
    id
    role
  }
}`;
interface Roles {
  readonly members: { readonly nodes: readonly { id: string; role: string; user: { id: string } }[] } | null;
}

test('urql as it comes asks by GET with a bearer token, and asks again for what a mutation changed', async () => {
  const { owner, viewer } = await givenOrganization(server);
  const { methods, fetch: watched } = watchedFetch();
  const client = new UrqlClient({
    url: `${server.url}/graphql`,
    exchanges: [cacheExchange, fetchExchange],
    fetchOptions: { headers: bearer(owner) },
    fetch: watched,
  });
  const read = async () => {
    const { data, error } = await client.query<Roles>(urqlGql(ROLES), { search: viewer.email }).toPromise();
    if (error) throw error;
    return data?.members?.nodes ?? [];
  };
  const [member] = await read();
  expect(member?.role).toBe('VIEWER');
  await read();
  const { error } = await client.mutation(urqlGql(PROMOTE), { id: member?.user.id }).toPromise();
  expect(error).toBeUndefined();
  expect(await read()).toEqual([{ ...member, role: 'DEVELOPER' }]);
  // What it was asked twice it had kept, until the mutation.
  expect(methods).toEqual(['GET', 'POST', 'GET']);
});

test('graphql-request as it comes reads, changes, and throws what was refused with its code and status', async () => {
  const { owner, viewer } = await givenOrganization(server);
  const { methods, fetch: watched } = watchedFetch();
  const clientOf = (headers: Record<string, string>) =>
    new GraphQLClient(`${server.url}/graphql`, { headers, fetch: watched });
  const [mine, theirs] = [clientOf(bearer(owner)), clientOf(bearer(viewer))];
  const find = () => mine.request<Roles>(ROLES, { search: viewer.email });
  const member = (await find()).members?.nodes[0];
  const promote = (client: GraphQLClient) => client.request(PROMOTE, { id: member?.user.id });
  const refusalOf = async (asked: Promise<unknown>) => {
    const error = await asked.catch((each: unknown) => each);
    if (!(error instanceof ClientError)) throw error;
    return [error.response.status, error.response.errors?.map(({ extensions }) => extensions['code'])];
  };
  expect(await refusalOf(promote(theirs))).toEqual([200, ['FORBIDDEN']]);
  expect(await refusalOf(promote(clientOf({ authorization: 'Bearer x' })))).toEqual([401, ['UNAUTHENTICATED']]);
  expect(await promote(mine)).toEqual({ updateMemberRole: { id: member?.id, role: 'DEVELOPER' } });
  expect((await find()).members?.nodes).toEqual([{ ...member, role: 'DEVELOPER' }]);
  expect(new Set(methods)).toEqual(new Set(['POST']));
});
