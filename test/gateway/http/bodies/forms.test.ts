import { expect, test } from '@jest/globals';
import { raw } from '../../../support/raw.js';
import { useServer } from '../../../support/server.js';

const server = useServer();

const KIB = 1024;
const FORM = 'application/x-www-form-urlencoded';
const fields = (count: number) => Array.from({ length: count }, (_, each) => `f${each}=`).join('&');

async function post(path: string, type: string, body: string, more: Record<string, string> = {}) {
  const { status } = await raw(`${server.url}${path}`, { headers: { 'content-type': type, ...more }, body });
  return status;
}

/** What reads a form of whoever sends one. */
const DOORS = ['/auth/host', '/auth/sign-out', '/invitations/x/accept', '/auth/saml/idp_x/acs'];

test.each(DOORS)('a door for forms parses nothing else, and forms of few fields: %s', async (path) => {
  expect(await post(path, 'application/json', '{"a":1}')).toBe(415);
  expect(await post(path, FORM, fields(101))).toBe(413);
  expect(await post(path, FORM, fields(4000))).toBe(413);
  for (const form of ['', 'a=1', fields(100), '&'.repeat(99)])
    expect([413, 415]).not.toContain(await post(path, FORM, form));
});

test.each([...DOORS, '/auth/token', '/scim/v2/Users'])('a stranger sends little, wherever: %s', async (path) => {
  const type = DOORS.includes(path) ? FORM : 'application/json';
  const value = 'x'.repeat(16 * KIB);
  const body = type === FORM ? `SAMLResponse=${value}` : JSON.stringify({ value });
  // A provider's answer is large, and one field; a directory is known before anything of a body is read.
  const expected = { '/auth/saml/idp_x/acs': 400, '/scim/v2/Users': 401 }[path] ?? 413;
  expect(await post(path, type, body)).toBe(expected);
  expect(await post(path, type, body, { 'transfer-encoding': 'chunked' })).toBe(expected);
});
