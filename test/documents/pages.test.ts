import { readFile, readdir } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { buildSchema, isTypeSystemDefinitionNode, Kind, parse, validate } from 'graphql';
import { priceOf } from '../../src/gateway/graphql/price.js';
import { readDocument } from '../../src/gateway/graphql/read-document.js';
import { samples } from '../../src/gateway/pages/graphiql/samples.js';

const ROOT = new URL('../../', import.meta.url);
const read = (file: string) => readFile(new URL(file, ROOT), 'utf8');
const pages = ['README.md', ...(await readdir(new URL('docs', ROOT))).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

const schema = buildSchema(await read('schema.graphql'));
const asOperation = (field: string): string => {
  const name = /^\w+/.exec(field)?.[0] ?? '';
  return `${schema.getMutationType()?.getFields()[name] ? 'mutation ' : ''}{ ${field} }`;
};
/** Other things stand in braces, too, and parts of what was told whole before. */
const isAsked = (text: string): boolean => {
  const [, field, hasArguments] = /^(\w+)(\(?)/.exec(text) ?? [];
  if (field && !hasArguments && !schema.getQueryType()?.getFields()[field]) return false;
  try {
    return parse(text.startsWith('{') ? text : `{ ${text} }`).definitions.length > 0;
  } catch {
    return false;
  }
};

/** What the pages tell people to ask, in blocks of their own and in the text between. */
async function operationsOf(file: string): Promise<string[]> {
  const page = await read(file);
  const blocks = [...page.matchAll(/^ *```graphql\n([^]*?)^ *```/gm)].map(([, text]) => text ?? '');
  const curls = [...page.matchAll(/"query":"(.*?)"}'/g)].map(([, text]) => text?.replaceAll('\\"', '"') ?? '');
  const inline = [...page.matchAll(/`(\{ .*? \}|[a-z]\w*(?:\([^`]*?\))? \{ [^`]*? \})`/g)].map(([, text = '']) => text);
  const wrapped = inline.filter(isAsked).map((text) => (text.startsWith('{') ? text : asOperation(text)));
  return [...blocks, ...curls, ...wrapped].filter((text) => {
    const { definitions } = parse(text);
    return definitions.every((each) => !isTypeSystemDefinitionNode(each) && each.kind !== Kind.OBJECT_TYPE_EXTENSION);
  });
}

test.each(pages)('%s: what it tells people to ask is of the contract', async (file) => {
  const operations = await operationsOf(file);
  const problems = operations.flatMap((text) =>
    validate(schema, parse(text)).map(({ message }) => `${message} in ${text}`),
  );
  expect(problems).toEqual([]);
});

test('what GraphiQL’s tabs hold at first is of the contract', () => {
  const known = { agent: 'agt_1', approval: { id: 'apr_1', inputHash: 'x' }, notification: 'ntf_1', member: 'usr_1' };
  for (const each of [known, { agent: null, approval: null, notification: null, member: null }]) {
    const tabs = samples(each, 'http://localhost:4000');
    expect(tabs.length).toBeGreaterThan(30);
    const problems = tabs.flatMap(({ query }) => validate(schema, parse(query)).map(({ message }) => message));
    expect(problems).toEqual([]);
  }
});

/** Unless it is configured otherwise. */
const QUERY_MAX_COST = 20_000;

const costsOf = (text: string): number[] => {
  const read = readDocument(text, { schema, introspection: true, isStranger: false });
  const names = parse(text).definitions.flatMap((each) =>
    each.kind === Kind.OPERATION_DEFINITION ? [each.name?.value] : [],
  );
  return names.map((name) => {
    const operation = read.operation(name);
    if (operation instanceof Error) throw operation;
    return priceOf(schema, operation, {});
  });
};

test('whatever people are told to ask costs less than an operation may', async () => {
  const known = { agent: 'agt_1', approval: { id: 'apr_1', inputHash: 'x' }, notification: 'ntf_1', member: 'usr_1' };
  const told = (await Promise.all(pages.map(operationsOf))).flat();
  const asked = [...told, ...samples(known, 'http://localhost:4000').map(({ query }) => query)];
  expect(asked.length).toBeGreaterThan(60);
  expect(asked.filter((text) => Math.max(...costsOf(text)) > QUERY_MAX_COST)).toEqual([]);
});

test('there is something to check', async () => {
  const counts = await Promise.all(pages.map(async (file) => (await operationsOf(file)).length));
  expect(Math.max(...counts)).toBeGreaterThan(10);
});

/** As GitHub makes the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

test.each(pages)('%s: links lead to what is there', async (file) => {
  const page = await read(file);
  const links = [...page.matchAll(/\]\((?!https?:)([^)\s]*?)(?:#([^)\s]*))?\)/g)];
  const lost: string[] = [];
  for (const [, target = '', anchor] of links) {
    const url = target === '' ? new URL(file, ROOT) : new URL(target, new URL(file, ROOT));
    const text = await readFile(url, 'utf8').catch(({ code }: NodeJS.ErrnoException) =>
      code === 'EISDIR' ? '' : null,
    );
    if (text === null) lost.push(target);
    else if (anchor !== undefined) {
      const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading ?? ''));
      if (!anchors.includes(anchor)) lost.push(`${target}#${anchor}`);
    }
  }
  expect(lost).toEqual([]);
});
