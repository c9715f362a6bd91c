import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import relay, { type ConcreteRequest, type Environment, type GraphQLTaggedNode } from 'relay-runtime';
import { givenOrganization } from '../../support/given.js';
import { type Client, useServer } from '../../support/server.js';

const server = useServer();
const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** What a page of Relay's holds: a list that grows, a fragment that fetches itself anew by `node`, a mutation. */
const PAGE = [
  `query pageMembersQuery($first: Int!, $after: String) {
    members(first: $first, after: $after) @connection(key: "page_members") {
      edges { node { id role user { id email } } }
      pageInfo { endCursor hasNextPage }
    }
  }`,
  `fragment page_member on Membership @refetchable(queryName: "pageMemberQuery") { role user { email } }`,
  `query pageMineQuery { members(first: 1) { nodes { ...page_member } } }`,
  `mutation pageRoleMutation($id: ID!, $role: OrganizationRole!) { updateMemberRole(userId: $id, role: $role) { role } }`,
];

let directory: string;
const compiled = {} as Record<'pageMembersQuery' | 'pageMemberQuery' | 'pageRoleMutation', ConcreteRequest>;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'orgate-relay-'));
  const schema = path.resolve('schema.graphql');
  await writeFile(path.join(directory, 'page.js'), PAGE.map((text) => `graphql\`${text}\`;`).join('\n'));
  await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }');
  await writeFile(
    path.join(directory, 'relay.config.json'),
    JSON.stringify({ src: '.', schema: path.relative(directory, schema), language: 'javascript' }),
  );
  await run(require('relay-compiler') as string, ['relay.config.json'], { cwd: directory });
  for (const name of ['pageMembersQuery', 'pageMemberQuery', 'pageRoleMutation'] as const) {
    const file = pathToFileURL(path.join(directory, '__generated__', `${name}.graphql.js`)).href;
    compiled[name] = ((await import(file)) as { default: ConcreteRequest }).default;
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Relay's environment with the network function of its own guide. */
function relayFor({ token }: Client): Environment {
  const network = relay.Network.create(async ({ text: query }, variables) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as never;
  });
  return new relay.Environment({ network, store: new relay.Store(new relay.RecordSource()) });
}

interface Member {
  readonly id: string;
  readonly role: string;
  readonly user: { readonly id: string; readonly email: string };
}
interface Members {
  readonly members: {
    readonly edges: readonly { readonly node: Member }[];
    readonly pageInfo: { readonly endCursor: string; readonly hasNextPage: boolean };
  };
}

const ask = async <T>(
  environment: Environment,
  query: ConcreteRequest,
  variables: Record<string, unknown>,
): Promise<T> => (await relay.fetchQuery(environment, query as GraphQLTaggedNode, variables).toPromise()) as T;

test("Relay's compiler takes the contract; its store grows a list page by page, and knows a member again by id", async () => {
  const { owner, viewer } = await givenOrganization(server);
  const environment = relayFor(owner);
  const read = (after: string | null) => ask<Members>(environment, compiled.pageMembersQuery, { first: 2, after });
  const first = (await read(null)).members;
  expect([first.edges.length, first.pageInfo.hasNextPage]).toEqual([2, true]);
  const whole = (await read(first.pageInfo.endCursor)).members;
  expect(whole.edges.map(({ node }) => node.role).toSorted()).toEqual(['ADMIN', 'DEVELOPER', 'OWNER', 'VIEWER']);
  expect(whole.pageInfo.hasNextPage).toBe(false);

  const member = whole.edges.find(({ node }) => node.user.email === viewer.email)?.node;
  await new Promise<void>((resolve, reject) => {
    relay.commitMutation(environment, {
      mutation: compiled.pageRoleMutation as GraphQLTaggedNode,
      variables: { id: member?.user.id, role: 'DEVELOPER' },
      onCompleted: (_, errors) => (errors ? reject(new Error(errors[0]?.message)) : resolve()),
      onError: reject,
    });
  });
  const inStore = environment.getStore().getSource().get(String(member?.id));
  expect(inStore).toMatchObject({ __typename: 'Membership', role: 'DEVELOPER' });

  // What a refetchable fragment asks.
  const { node } = await ask<{ node: unknown }>(environment, compiled.pageMemberQuery, { id: member?.id });
  expect(node).toMatchObject({ __id: member?.id });
});
