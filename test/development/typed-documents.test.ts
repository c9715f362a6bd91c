import { expect, test } from '@jest/globals';
import { unique } from '../support/given.js';
import { codeOf, unchecked, useServer } from '../support/server.js';

const server = useServer();

// `npm run typecheck` fails where one of these compiles.
test('what is misspelt in a document, its variables or its answer does not compile', async () => {
  const ann = await server.as(`${unique('ann')}@acme.example`);
  // @ts-expect-error: the field is `viewer`
  expect(codeOf(await ann('{ viewr { role } }'))).toBe('GRAPHQL_VALIDATION_FAILED');
  const FIELDS = 'id slgu';
  // @ts-expect-error: the field is `slug`, wherever the text comes from
  expect(codeOf(await ann(`{ organizations { nodes { ${FIELDS} } } }`))).toBe('GRAPHQL_VALIDATION_FAILED');
  // @ts-expect-error: the variable is `id`
  const unset = await ann('query ($id: ID!) { repository(id: $id) { id } }', { di: 'rep_x' });
  expect(codeOf(unset)).toBe('BAD_USER_INPUT');
  const { data } = await ann('{ viewer { user { email } } }');
  // @ts-expect-error: the field is `user`
  expect(data.viewer.usr).toBeUndefined();
  expect(codeOf(await ann(unchecked('{ viewr { role } }')))).toBe('GRAPHQL_VALIDATION_FAILED');
});
