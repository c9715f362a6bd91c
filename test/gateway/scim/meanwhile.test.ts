import { request } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { type GivenOrganization, givenOrganization, unique } from '../../support/given.js';
import { eventually } from '../../support/mail.js';
import { givenDirectory, type ScimClient } from '../../support/scim.js';
import { useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

/** Lets the directory in, and waits. @returns what has the rest of its body come, and tells what is answered */
async function begin(directory: ScimClient, [method, path, body]: Sent): Promise<() => Promise<number>> {
  const before = server.statements.length;
  const text = JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${directory.token}`,
    'content-type': 'application/scim+json',
    'content-length': Buffer.byteLength(text),
  };
  const outgoing = request(`${server.url}/scim/v2${path}`, { method, headers });
  const answered = new Promise<number>((resolve, reject) => {
    outgoing.on('error', reject).on('response', (response) => {
      response.on('error', reject).resume();
      resolve(response.statusCode ?? 0);
    });
  });
  outgoing.write(text.slice(0, 1));
  await eventually(() => server.statements.slice(before).find(({ text: sql }) => sql.includes('d.token_hash')));
  return () => {
    outgoing.end(text.slice(1));
    return answered;
  };
}

type Sent = readonly [method: string, path: string, body: object];

interface Made {
  readonly acme: GivenOrganization;
  readonly directory: ScimClient;
  /** Everything that it can write, as it would send it. */
  readonly writes: readonly Sent[];
}

async function given(): Promise<Made> {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const user = await directory('POST', '/Users', { userName: `jo@${directory.domain}` });
  const group = await directory('POST', '/Groups', { displayName: 'All' });
  const [userPath, groupPath] = [`/Users/${user.body.id}`, `/Groups/${group.body.id}`];
  const writes: Sent[] = [
    ['POST', '/Users', { userName: `${unique('new')}@${directory.domain}` }],
    ['PUT', userPath, { userName: `${unique('other')}@${directory.domain}` }],
    ['PATCH', userPath, { Operations: [{ op: 'replace', path: 'active', value: false }] }],
    ['DELETE', userPath, {}],
    ['POST', '/Groups', { displayName: 'More' }],
    ['PUT', groupPath, { displayName: 'Others' }],
    ['PATCH', groupPath, { Operations: [{ op: 'add', path: 'members', value: [{ value: user.body.id }] }] }],
    ['DELETE', groupPath, {}],
  ];
  return { acme, directory, writes };
}

const suspend = ({ acme }: Made) =>
  server.database.pool.queryAsLoginRole(`update organization set status = 'SUSPENDED' where id = $1`, [acme.id]);

describe.each<[string, number, (made: Made) => Promise<unknown>]>([
  [
    'whose token was replaced',
    401,
    ({ acme, directory: { id } }) => acme.owner('mutation ($id: ID!) { replaceScimToken(id: $id) { token } }', { id }),
  ],
  [
    'that was deleted',
    401,
    ({ acme, directory: { id } }) => acme.owner('mutation ($id: ID!) { deleteScimDirectory(id: $id) }', { id }),
  ],
  ['whose organization was suspended', 403, suspend],
])('a directory %s while its body came', (_, status, end) => {
  test('changes nothing any more', async () => {
    const made = await given();
    const rests = [];
    for (const write of made.writes) rests.push(await begin(made.directory, write));
    await end(made);
    expect(await Promise.all(rests.map((rest) => rest()))).toEqual(made.writes.map(() => status));
    const { membership, scimGroup } = server.database.organizationDb(made.acme.id, byTest);
    expect(await membership.count({ email: { in: [`jo@${made.directory.domain}`] }, status: 'ACTIVE' })).toBe(1);
    expect(await scimGroup.count({ displayName: { in: ['More', 'Others'] } })).toBe(0);
  });
});
