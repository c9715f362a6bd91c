import { createHash } from 'node:crypto';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { expect, test } from '@jest/globals';
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

/** Apollo's client as an application makes it, and the methods it asked by. */
function apolloFor({ token }: Client, links: readonly ApolloLink[]) {
  const methods: string[] = [];
  const http = new HttpLink({
    uri: `${server.url}/graphql`,
    headers: { authorization: `Bearer ${token}` },
    fetch: (address, init) => {
      methods.push(init?.method ?? 'GET');
      return fetch(address, init);
    },
  });
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
