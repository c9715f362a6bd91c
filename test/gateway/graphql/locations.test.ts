import { expect, jest, test } from '@jest/globals';
import {
  getLocation,
  GraphQLInt,
  GraphQLList,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  Source,
  type SourceLocation,
} from 'graphql';
import { badInput } from '../../../src/errors.js';
import { createExecute } from '../../../src/gateway/graphql/execute.js';
import { createFormatError } from '../../../src/gateway/graphql/format-error.js';
import { Operation, readDocument } from '../../../src/gateway/graphql/read-document.js';

// Whatever fails, and however often: to tell where it stands MUST NOT take going through the document again.

const failing = {
  type: GraphQLInt,
  args: { text: { type: GraphQLString } },
  resolve: () => {
    throw badInput('after', 'This cursor is of another list.');
  },
};
const row = new GraphQLObjectType({ name: 'Row', fields: { fails: failing } });
const rows = { type: new GraphQLList(row), resolve: () => Array.from({ length: 50 }, () => ({})) };
const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { rows, fails: failing } }) });

const formatError = createFormatError({
  unexpected: (error) => {
    throw error;
  },
  busy: () => undefined,
});

type Told = readonly SourceLocation[] | undefined;

/** Where each error of an answer is told to stand, by whatever executes it. */
async function placesOf(text: string, compileFrom: number): Promise<Told[]> {
  const read = readDocument(text, { schema, introspection: true, isStranger: false });
  const operation = read.operation(null);
  const errors =
    read.errors.length > 0 || !(operation instanceof Operation)
      ? read.errors
      : (await createExecute({ schema, compileFrom })({ operation, variables: {}, context: {} })).errors;
  return (errors ?? []).map((error) => formatError(error, undefined).locations);
}

/** How often a text is searched on the way to an answer in which so much fails. */
async function searches(text: string, compileFrom: number): Promise<number> {
  const exec = jest.spyOn(RegExp.prototype, 'exec');
  try {
    await placesOf(text, compileFrom);
    return exec.mock.calls.length;
  } finally {
    exec.mockRestore();
  }
}

const INTERPRETED = 2;
const COMPILED = 1;
const FAILS = '{ rows { a: fails b: fails } c: fails }';
const INVALID = '{ a b c d e f g }';

test.each([
  ['interpreted', INTERPRETED, FAILS],
  ['compiled', COMPILED, FAILS],
  ['not valid', INTERPRETED, INVALID],
])('as many lines as a document may have are gone through no more often than a few: %s', async (_, from, document) => {
  const few = await searches('\n'.repeat(100) + document, from);
  expect(await searches('\n'.repeat(2000) + document, from)).toBe(few);
});

const WRITTEN = [
  '\uFEFF# of all line ends\r\n\r\n\n',
  '  query Q {\r    rows {  fails }\n',
  '    a: fails(text: """\n  of\r\n  lines\n""") b:\n  fails\r\n } # the end',
].join('');

test.each([
  ['interpreted', INTERPRETED],
  ['compiled', COMPILED],
])('what fails is told by its line and column: %s', async (_, from) => {
  const at = (what: string) => getLocation(new Source(WRITTEN), WRITTEN.indexOf(what));
  const places = await placesOf(WRITTEN, from);
  expect(new Set(places.map((place) => JSON.stringify(place)))).toEqual(
    new Set(['fails }', 'a: fails', 'b:'].map((what) => JSON.stringify([at(what)]))),
  );
});

test('what is not valid is told by its lines and columns, and so is what is no document', async () => {
  expect(await placesOf('{\r\n a: fails(text: "1")\n a: fails(text: "2") }', INTERPRETED)).toEqual([
    [
      { line: 2, column: 2 },
      { line: 3, column: 2 },
    ],
  ]);
  expect(await placesOf('{\n\n  fails(', INTERPRETED)).toEqual([[{ line: 3, column: 9 }]]);
});
