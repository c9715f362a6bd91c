import { expect, test } from '@jest/globals';
import { serverAudits } from 'graphql-http';
import { useServer } from '../../support/server.js';

// GraphQL over HTTP, as its specification's own audits see it: MUST, SHOULD and MAY alike.
const server = useServer({ env: { INTROSPECTION: 'true' } });

/** The audits know nothing of preflights; the header tells that the caller is no web page in disguise. */
const fetchFn = (url: string, init: RequestInit = {}): Promise<Response> => {
  const headers = new Headers(init.headers);
  headers.set('apollo-require-preflight', 'true');
  return fetch(url, { ...init, headers });
};

const audits = serverAudits({ url: () => `${server.url}/graphql`, fetchFn });

test('there are 61 audits', () => {
  expect(audits).toHaveLength(61);
});

test.each(audits.map((audit) => [audit.id, audit.name, audit] as const))('%s: %s', async (_, _name, audit) => {
  const result = await audit.fn();
  expect({ ...result, response: undefined }).toMatchObject({ status: 'ok' });
});
