/**
 * Documents that mean harm. Each maker is given a number that no other call of the run has, and says it in names, so that
 * no two documents are alike and nothing that was remembered of one serves another.
 */

const times = (count, make, between = ' ') => Array.from({ length: count }, (_, index) => make(index)).join(between);

/** Of the client's own nesting: `open` so many times, then what is innermost, then `close` as often. */
const nested = (levels, open, inner, close) => open.repeat(levels) + inner + close.repeat(levels);

const post = (body, headers = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});
const ask = (query, more = {}) => [post({ query, ...more })];

const REPOSITORY = 'id name gitUrl branch description createdAt updatedAt';

/** Nothing wrong with them but that they never come again. */
const small = (n) => ask(`query S${n} { a${n}: viewer { b${n}: role c${n}: organizationSource } }`);

/** Some eight thousand fields of two kilobytes of text, all within depth, aliases and cost. */
function spreadOverAliases(n) {
  const step = (level) =>
    `fragment F${level} on AgentRepository { ${times(9, (each) => `a${each}_${n}: agents(first: 1) { nodes { repository { ...F${level + 1} } } }`)} }`;
  return ask(
    `query Q${n} { repositories(first: 1) { nodes { ...F0 } } } ${times(3, step)} fragment F3 on AgentRepository { ${REPOSITORY} }`,
  );
}

/** Twice as many selections with every fragment, of a line of text each. */
function spreadTwice(n, levels) {
  const step = (level) => `fragment F${level} on Query { ...F${level + 1} ... on Query { ...F${level + 1} } }`;
  return ask(`query Q${n} { ...F0 } ${times(levels, step)} fragment F${levels} on Query { f${n}: __typename }`);
}

/** Every two fields of one name are compared with each other. */
const overlappingFields = (n) => ask(`{ ${times(300, (each) => `a${n}: repository(id: "${each}") { id }`)} }`);

/** The same, hidden in fragments that are compared pair by pair. */
const overlappingFragments = (n) =>
  ask(
    `query Q${n} { ${times(120, (each) => `...F${each}`)} } ${times(120, (each) => `fragment F${each} on Query { a${n}: repository(id: "${each}") { id } }`)}`,
  );

const unusedFragments = (n) =>
  ask(`query Q${n} { __typename } ${times(400, (each) => `fragment F${each}_${n} on Query { __typename }`)}`);

const manyVariables = (n) =>
  ask(`query Q${n}(${times(900, (each) => `$v${each}: Int`)}) { __typename }`, {
    variables: Object.fromEntries(Array.from({ length: 900 }, (_, each) => [`v${each}`, each])),
  });

const repeatedDirectives = (n) => ask(`query Q${n} { __typename ${'@skip(if: false) '.repeat(600)} }`);
const unknownDirectives = (n) => ask(`query Q${n} { __typename ${times(900, (each) => `@a${each}`)} }`);

const manyOperations = (n) =>
  ask(
    times(400, (each) => `query Q${each}_${n} { __typename }`),
    { operationName: `Q399_${n}` },
  );

const deepSelections = (n) => ask(`query Q${n} ${nested(1300, '{ a ', '', '}')}`);
const deepListLiteral = (n) => ask(`query Q${n} { repository(id: ${nested(1900, '[', '"x"', ']')}) { id } }`);
const deepObjectLiteral = (n) =>
  ask(`mutation M${n} { startRun(input: { agentId: "x", input: ${nested(900, '{ a: ', '1', ' }')} }) { id } }`);
const deepListType = (n) => ask(`query Q${n}($v: ${nested(1900, '[', 'Int', ']')}) { __typename }`);

/** Nested as JSON, which `JSON.stringify` itself could not write at some depth. */
function deepVariables(n, levels) {
  const query = `mutation M${n}($input: JSON) { startRun(input: { agentId: "x", input: $input }) { id } }`;
  return [post(`{"query":${JSON.stringify(query)},"variables":{"input":${nested(levels, '[', '1', ']')}}}`)];
}
/** Where a list is wanted, each list within it is looked into. */
const deepListVariable = (n, levels) => [
  post(
    `{"query":"query Q${n}($ids: [ID!]!) { nodes(ids: $ids) { id } }","variables":{"ids":${nested(levels, '[', '"x"', ']')}}}`,
  ),
];
const deepDefault = (n) =>
  ask(
    `mutation M${n}($input: JSON = ${nested(1500, '[', '1', ']')}) { startRun(input: { agentId: "x", input: $input }) { id } }`,
  );
/** Neither a field nor a name, and so no level. */
const deepInlineFragments = (n) => ask(`query Q${n} { ${nested(1300, '... { ', '__typename', ' }')} }`);
/** Two values that have to be compared to the bottom. */
const deepComparison = (n) =>
  ask(`{ ${times(2, () => `a${n}: repository(id: ${nested(480, '{ a: ', '1', ' }')}) { id }`)} }`);
const deepBody = (n) => [post(`{"a${n}":${nested(60_000, '[', '1', ']')}}`)];

const wideVariables = (n) =>
  ask(`query Q${n}($id: ID!) { repository(id: $id) { id } }`, {
    variables: Object.fromEntries(Array.from({ length: 12_000 }, (_, each) => [`v${each}_${n}`, each])),
  });
const manyIds = (n) =>
  ask(`query Q${n}($ids: [ID!]!) { nodes(ids: $ids) { id } }`, {
    variables: { ids: Array.from({ length: 15_000 }, (_, each) => `rep_${each}`) },
  });

const hugeLiteral = (n) => ask(`query Q${n} { repository(id: "${'x'.repeat(200_000)}") { id } }`);
const hugeVariable = (n) =>
  ask(`query Q${n}($id: ID!) { repository(id: $id) { id } }`, { variables: { id: 'x'.repeat(200_000) } });
const hugeComment = (n) => ask(`query Q${n} { __typename } ${'# nothing\n'.repeat(20_000)}`);
const longFieldName = (n) => ask(`{ f${n}${'x'.repeat(100_000)} }`);
const longAlias = (n) => ask(`{ f${n}${'x'.repeat(100_000)}: __typename }`);
const longOperationName = (n) => {
  const name = `Q${n}${'x'.repeat(100_000)}`;
  return ask(`query ${name} { __typename }`, { operationName: name });
};

/** Near misses: for each, GraphQL looks for what was meant among all that there is. */
const unknownFields = (n) => ask(`{ ${times(900, (each) => `repositoris${each}_${n}`)} }`);
const unknownArguments = (n) => ask(`{ repositories(${times(600, (each) => `frist${each}_${n}: 1`)}) { totalCount } }`);
const unknownTypes = (n) => ask(`{ ${times(400, (each) => `... on AgentRepositry${each}_${n} { id }`)} }`);

const introspection = (n) =>
  ask(
    `query Q${n} { ${times(20, (each) => `a${each}_${n}: __schema { types { fields { type { fields { type { name } } } } } }`)} }`,
  );
const typeByName = (n) => ask(`query Q${n} { __type(name: "Run${n}") { fields { name type { name } } } }`);
const subscription = (n) => ask(`subscription S${n} { x }`);

/** Names that no operation has: of a document of one operation, where a server may be tempted to run it, and of two. */
const NO_OPERATION = [
  ...['nope', '', 7, {}, ['Q']].map((name) => ({ operations: 1, name })),
  ...['nope', '', null, 7, {}, ['Q']].map((name) => ({ operations: 2, name })),
];
function operationNames(n) {
  const { operations, name } = NO_OPERATION[n % NO_OPERATION.length];
  return ask(
    times(operations, (each) => `query Q${each}_${n} { viewer { role } }`),
    { operationName: name },
  );
}
const batch = (n) => [
  post(Array.from({ length: 100 }, (_, each) => ({ query: `query Q${each}_${n} { __typename }` }))),
];

/** Each may be 64 KiB, and there are a hundred under each of 29 names: 189 MB are asked for eight times at once. */
function runInputs(n) {
  const each = ask(
    `query Q${n} { ${times(29, (index) => `a${index}_${n}: runs(first: 100) { nodes { input } }`)} }`,
  )[0];
  return Array.from({ length: 8 }, () => each);
}

const STRANGER = ['stranger'];
const VIEWER = ['viewer'];
const ANYONE = [...STRANGER, ...VIEWER];

/** @type {import('./attacks.mjs').Attack[]} */
export const DOCUMENTS = [
  { name: 'small-documents', by: ANYONE, refused: false, make: small },
  { name: 'fragments-over-aliases', by: ANYONE, refused: false, make: spreadOverAliases },
  { name: 'fragments-twice', by: ANYONE, variants: 4, refused: false, make: (n) => spreadTwice(n, 6 + (n % 4) * 6) },
  { name: 'overlapping-fields', by: ANYONE, refused: true, make: overlappingFields },
  { name: 'overlapping-fragments', by: ANYONE, refused: true, make: overlappingFragments },
  { name: 'unused-fragments', by: ANYONE, refused: true, make: unusedFragments },
  { name: 'many-variables', by: ANYONE, refused: true, make: manyVariables },
  { name: 'repeated-directives', by: ANYONE, refused: true, make: repeatedDirectives },
  { name: 'unknown-directives', by: ANYONE, refused: true, make: unknownDirectives },
  { name: 'many-operations', by: ANYONE, refused: false, make: manyOperations },
  { name: 'deep-selections', by: ANYONE, refused: true, make: deepSelections },
  { name: 'deep-list-literal', by: ANYONE, refused: true, make: deepListLiteral },
  { name: 'deep-object-literal', by: ANYONE, refused: true, make: deepObjectLiteral },
  { name: 'deep-list-type', by: ANYONE, refused: true, make: deepListType },
  {
    name: 'deep-variables',
    by: ANYONE,
    variants: 3,
    refused: true,
    make: (n) => deepVariables(n, [1000, 10_000, 100_000][n % 3]),
  },
  {
    name: 'deep-list-variables',
    by: ANYONE,
    variants: 3,
    refused: true,
    make: (n) => deepListVariable(n, [1000, 10_000, 100_000][n % 3]),
  },
  { name: 'deep-defaults', by: ANYONE, refused: true, make: deepDefault },
  { name: 'deep-inline-fragments', by: ANYONE, refused: false, make: deepInlineFragments },
  { name: 'deep-comparisons', by: ANYONE, refused: true, make: deepComparison },
  { name: 'deep-body', by: ANYONE, refused: true, make: deepBody },
  { name: 'wide-variables', by: ANYONE, refused: true, make: wideVariables },
  { name: 'many-ids', by: ANYONE, refused: true, make: manyIds },
  { name: 'huge-literal', by: ANYONE, refused: true, make: hugeLiteral },
  { name: 'huge-variable', by: ANYONE, refused: true, make: hugeVariable },
  { name: 'huge-comment', by: ANYONE, refused: false, make: hugeComment },
  { name: 'long-field-name', by: ANYONE, refused: true, make: longFieldName },
  { name: 'long-alias', by: ANYONE, refused: false, make: longAlias },
  { name: 'long-operation-name', by: ANYONE, refused: false, make: longOperationName },
  { name: 'unknown-fields', by: ANYONE, refused: true, make: unknownFields },
  { name: 'unknown-arguments', by: ANYONE, refused: true, make: unknownArguments },
  { name: 'unknown-types', by: ANYONE, refused: true, make: unknownTypes },
  { name: 'introspection', by: ANYONE, refused: true, make: introspection },
  { name: 'type-by-name', by: ANYONE, refused: true, make: typeByName },
  { name: 'subscriptions', by: ANYONE, refused: true, make: subscription },
  { name: 'operation-names', by: ANYONE, variants: NO_OPERATION.length, refused: true, make: operationNames },
  { name: 'batches', by: ANYONE, refused: true, make: batch },
  { name: 'run-inputs', by: VIEWER, refused: true, make: runInputs },
];
