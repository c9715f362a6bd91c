import { expect, test } from '@jest/globals';
import { unique } from '../support/given.js';
import { codeOf, unchecked, useServer } from '../support/server.js';

const server = useServer();

// `npm run typecheck` fails where one of these compiles.
test('what is misspelt in a document, its variables or its answer does not compile', async () => {
  const ann = await server.as(`${unique('ann')}@acme.example`);
  // @ts-expect-error: the field is `viewer`
  expect(() => ann('{ viewr { role } }')).toThrow('Cannot query field "viewr"');
  const FIELDS = 'id slgu';
  // @ts-expect-error: the field is `slug`, wherever the text comes from
  expect(() => ann(`{ organizations { nodes { ${FIELDS} } } }`)).toThrow('Cannot query field "slgu"');
  // @ts-expect-error: the variable is `id`
  const unset = await ann('query ($id: ID!) { repository(id: $id) { id } }', { di: 'rep_x' });
  expect(codeOf(unset)).toBe('BAD_USER_INPUT');
  const { data } = await ann('{ viewer { user { email } } }');
  // @ts-expect-error: the field is `user`
  expect(data.viewer.usr).toBeUndefined();
  expect(codeOf(await ann(unchecked('{ viewr { role } }')))).toBe('GRAPHQL_VALIDATION_FAILED');
});

test('what is misspelt in a document that is put together while a test runs fails that test, whatever it expects', async () => {
  const ann = await server.as(`${unique('ann')}@acme.example`);
  const put = (field: string, args = ''): string => `query { ${field}${args} { role } }`;
  expect((await ann(put('viewer'))).errors).toEqual([]);
  expect(() => ann(put('viewr'))).toThrow('Cannot query field "viewr"');
  expect(() => ann(put('viewer', '(id: 1)'))).toThrow('Unknown argument "id"');
  expect(codeOf(await ann(unchecked(put('viewr'))))).toBe('GRAPHQL_VALIDATION_FAILED');
});
