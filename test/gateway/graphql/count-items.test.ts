import { expect, test } from '@jest/globals';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { execute, parse } from 'graphql';
import { Stop, stoppable } from '../../../src/data/connection/org-connection.js';
import { ReadBound, readLimits } from '../../../src/data/connection/read-bound.js';
import { countItems } from '../../../src/gateway/graphql/count-items.js';
import { givenOrganization } from '../../support/given.js';
import { codeOf, unchecked, useServer } from '../../support/server.js';

// So a request holds 40,000 bytes at the most.
const server = useServer({ env: { ANSWER_MAX_CHARACTERS: '10000' } });

/** The same six repositories, so many levels deep: of each level one statement, and six times as many rows in the answer. */
const nested = (levels: number): string =>
  levels === 0 ? 'id' : `repositories(first: 6) { nodes { organization { ${nested(levels - 1)} } } }`;

test('what an answer comes to MUST be counted while it is made, though next to nothing is read', async () => {
  const { owner } = await givenOrganization(server);
  const more = ['a', 'b', 'c', 'd', 'e'].map(
    (name) => `${name}: createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id }`,
  );
  await owner(unchecked(`mutation { ${more.join(' ')} }`));
  expect((await owner(unchecked(`{ ${nested(2)} }`))).errors).toEqual([]);
  const refused = await owner(unchecked(`{ ${nested(4)} }`));
  expect(codeOf(refused)).toBe('QUERY_TOO_EXPENSIVE');
  // Where it came to too much; what is too large once it is made has no path. A compiled operation, as on PostgreSQL, tells each
  // place, and all of them together are too large.
  const path = refused.errors[0]?.path ?? [];
  const levels = path.filter((step) => step === 'repositories').length;
  expect(process.env['TEST_DATABASE_URL'] ? [0, 4] : [4]).toContain(levels);
});

const typeDefs = `
  type Query { many: [One] texts: [String!]! page: OneConnection none: [One] one: One }
  type Mutation { many: [One!]! }
  type One { a: String b: String more: [One!] }
  type OneConnection { nodes: [One!]! edges: [OneEdge!]! totalCount: Int }
  type OneEdge { node: One }`;
const three = [{ more: [{}] }, { more: [{}, {}] }, { more: [] }];
const resolvers = {
  Query: {
    many: () => three,
    texts: () => Promise.resolve(['x', 'y', 'z']),
    page: () => Promise.resolve({ nodes: three, edges: three.map((node) => ({ node })) }),
    none: () => null,
    one: () => three[1],
  },
  Mutation: { many: () => three },
  One: { more: (one: { more: unknown }) => one.more },
};

test.each<[string, number[]]>([
  ['{ many { a b } }', [3 * 3]],
  ['{ many { a more { a b } } }', [3 * 3, 1 * 3, 2 * 3, 0]],
  ['{ texts }', [3]],
  ['{ page { totalCount } }', [3 * 1]],
  ['{ page { nodes { a b } edges { node { a } } } }', [3 * (1 + 2 + 1)]],
  ['{ none { a } one { a } }', [0]],
  ['{ many { ...F } } fragment F on One { a b }', [3 * 2]],
  // What it did is done, and never told as a failure.
  ['mutation { many { a more { a } } }', [1 * 2, 2 * 2, 0]],
])('%s comes to so many fields', async (text, fields) => {
  const counted: number[] = [];
  const bound = Object.assign(new ReadBound(readLimits(0)), {
    count: (bytes: number) => void counted.push(bytes / 32),
  });
  const schema = countItems(makeExecutableSchema({ typeDefs, resolvers }));
  const { errors } = await stoppable(new Stop(bound), async () => execute({ schema, document: parse(text) }));
  expect([errors, counted]).toEqual([undefined, fields]);
});
