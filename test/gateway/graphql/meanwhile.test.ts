import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import { givenKey } from '../../support/api-key.js';
import { type GivenOrganization, givenOrganization, personId, unique } from '../../support/given.js';
import { eventually } from '../../support/mail.js';
import { useServer } from '../../support/server.js';
import { givenBrowser, ownOrigin } from '../../support/sessions.js';
import { byTest } from '../../support/act.js';

const server = useServer();

type Headers = Readonly<Record<string, string>>;

/** A request of which the last byte comes when `meanwhile` is done. */
async function sendSlowly(
  headers: Headers,
  query: string,
  meanwhile: () => Promise<unknown>,
): Promise<{ status: number; body: string }> {
  const body = JSON.stringify({ query, extensions: { filler: 'x'.repeat(20_000) } });
  const outgoing = request(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  const before = server.statements.length;
  outgoing.write(body.slice(0, -1));
  await eventually(() =>
    server.statements.slice(before).find(({ text: sql }) => /from (api_key|identity|session)\b/.test(sql)),
  );
  await meanwhile();
  outgoing.end(body.slice(-1));
  const [answer] = await answered;
  return { status: answer.statusCode ?? 0, body: await text(answer) };
}

const bearer = (token: string, organization: string): Headers => ({
  authorization: `Bearer ${token}`,
  'x-organization-id': organization,
});

const MAKE = (name: string) =>
  `mutation { createRepository(input: { name: "${name}", gitUrl: "https://git.example/r" }) { id } }`;

const madeIn = async ({ id }: GivenOrganization, name: string): Promise<number> =>
  server.database.organizationDb(id, byTest).repository.count({ name });

describe('What ends while the body of a request is on its way is over when that has come:', () => {
  test('a membership', async () => {
    const acme = await givenOrganization(server);
    const name = unique('late');
    const id = await personId(acme.developer);
    const answer = await sendSlowly(bearer(acme.developer.token, acme.id), MAKE(name), () =>
      acme.owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id }),
    );
    expect(answer.body).toContain('NOT_FOUND');
    expect(await madeIn(acme, name)).toBe(0);
  });

  test('a key', async () => {
    const acme = await givenOrganization(server);
    const name = unique('late');
    const { client, id } = await givenKey(server, acme.developer, ['repository:create']);
    const answer = await sendSlowly(bearer(client.token, acme.id), MAKE(name), () =>
      acme.developer('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id }),
    );
    expect(answer.status).toBe(401);
    expect(await madeIn(acme, name)).toBe(0);
  });

  test('a session', async () => {
    const acme = await givenOrganization(server);
    const name = unique('late');
    const browser = await givenBrowser(server, await personId(acme.developer));
    const headers = { ...browser.header, origin: ownOrigin(server), 'x-organization-id': acme.id };
    const answer = await sendSlowly(headers, MAKE(name), () => browser('mutation { signOut }'));
    expect(answer.status).toBe(401);
    expect(await madeIn(acme, name)).toBe(0);
  });
});
