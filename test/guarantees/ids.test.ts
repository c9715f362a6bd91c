import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { isObjectType } from 'graphql';
import { domains } from '../../src/domains/index.js';
import { createContract } from '../../src/gateway/graphql/schema.js';

const SOURCE = new URL('../../src/', import.meta.url);
const { schema } = createContract();

const nodes = domains.flatMap(({ node }) => (node ? [node] : []));
const prefixes = nodes.map(({ prefix }) => prefix);

/** What has an id that `node` does not find. */
const NO_NODES: Record<string, string> = {
  acc: 'an account is in no organization, and found by its administrators',
  exp: 'an export of the record is read by its link, by whoever made that',
  use: 'an event of usage is answered to whoever records or corrects it, and found by nobody else',
  set: 'a set holds several organizations together, and is found by each of them',
  apd: 'what somebody said of an approval is read with that',
  exr: 'an executor is no object of one organization',
  whd: 'what is sent to a webhook is found through its attempts',
  wha: 'what became of it is found through the webhook',
  evt: 'a test of a webhook is known to whoever receives it',
  clm: 'a claim is known to whoever made it, by its token',
  usr: 'a person is no object of one organization',
  mal: 'mail is nothing that clients see',
  dek: 'what secrets are sealed under is nothing that clients see',
  due: 'due work is nothing that clients see',
  owe: 'nor is what the deployment owes',
  scg: "a directory's group is found through its directory",
  scu: 'what a directory says of someone is found by directories',
};

test('an id MUST begin with the prefix that its description names and `node` finds it by', () => {
  const described = nodes.map(({ prefix, type }) => {
    const of = schema.getType(type);
    const description = isObjectType(of) ? of.getFields()['id']?.description : null;
    return description?.startsWith(`\`${prefix}_…\``) ? [] : [`${type}.id: begin its description with \`${prefix}_…\``];
  });
  expect(described.flat()).toEqual([]);
  expect(nodes.length).toBeGreaterThan(10);
});

test('every id that is made MUST have the prefix of a node, or stand here with the reason', () => {
  const made = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('generated'))
    .flatMap((file) =>
      [...readFileSync(new URL(file, SOURCE), 'utf8').matchAll(/newId\('(\w+)'/g)].map(([, prefix = '']) => ({
        file,
        prefix,
      })),
    );
  const strays = made.filter(({ prefix }) => !prefixes.includes(prefix) && !(prefix in NO_NODES));
  expect(
    strays.map(({ file, prefix }) => `${file}: ${prefix} is the prefix of no node; NO_NODES says of what else`),
  ).toEqual([]);
  expect(made.length).toBeGreaterThan(15);
});

test('what is no node MUST have a prefix of its own', () => {
  expect(prefixes.filter((prefix) => prefix in NO_NODES)).toEqual([]);
});
