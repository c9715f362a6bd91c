import { describe, expect } from '@jest/globals';
import { openApiKeys } from '../../src/identity/api-keys.js';
import { givenKey } from '../support/api-key.js';
import { givenOrganization, personId } from '../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const create = (maker: Client) =>
  maker('mutation { createApiKey(input: { name: "x", permissions: ["run:read"] }) { secret } }');
const remove = (actor: Client, id: string) =>
  actor('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id });
const statusWith = async (secret: string) => (await server.withToken(secret)('{ runs { totalCount } }')).status;
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

describe('Someone who is removed while they make a key', () => {
  race('leaves none that works, whoever comes first, nor when they come back', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    const steps: (() => Promise<Answer>)[] = [() => create(acme.developer), () => remove(acme.owner, id)];
    for (const order of [steps, [...steps].reverse()]) {
      const answers = await inOrder(organizationRow(acme.id), order);
      const made = answers.find(({ data }) => data?.createApiKey);
      expect(answers.map(outcome)).toEqual(order === steps ? ['done', 'done'] : ['done', 'FORBIDDEN']);
      if (made) expect(await statusWith(made.data.createApiKey.secret)).toBe(401);
      await sql(
        `update membership set status = 'ACTIVE', joined_at = current_timestamp where org_id = $1 and user_id = $2`,
        [acme.id, id],
      );
      if (made) expect(await statusWith(made.data.createApiKey.secret)).toBe(401);
    }
  });

  race('25 times over, at once', async () => {
    const acme = await givenOrganization(server);
    const id = await personId(acme.developer);
    for (let round = 0; round < 25; round += 1) {
      const [created] = await Promise.all([create(acme.developer), remove(acme.owner, id)]);
      if (created.data?.createApiKey) expect(await statusWith(created.data.createApiKey.secret)).toBe(401);
      await sql(
        `update membership set status = 'ACTIVE', joined_at = current_timestamp where org_id = $1 and user_id = $2`,
        [acme.id, id],
      );
    }
  });
});

describe('A key that is revoked, or whose owner is demoted, while it acts', () => {
  race.each([
    [
      'revoked',
      'update api_key set revoked_at = current_timestamp where org_id = $1 and id = $2',
      'key',
      'UNAUTHENTICATED',
    ],
    ['demoted', `update membership set role = 'VIEWER' where org_id = $1 and user_id = $2`, 'owner', 'FORBIDDEN'],
  ])('changes no member: %s', async (_name, text, whose, code) => {
    const acme = await givenOrganization(server);
    const { data } = await acme.admin('{ viewer { permissions } }');
    const { client, id } = await givenKey(server, acme.admin, data.viewer.permissions as string[]);
    const ends = whose === 'key' ? id : await personId(acme.admin);
    const viewerId = await personId(acme.viewer);
    const act = () => client('mutation ($id: ID!) { suspendMember(userId: $id) { role } }', { id: viewerId });
    const [answer] = await inOrder(organizationRow(acme.id), [act], (beside) => beside.query(text, [acme.id, ends]));
    expect(codeOf(answer as Answer)).toBe(code);
  });
});

describe('The last use of a key', () => {
  race('is written once, however many requests and replicas note it', async () => {
    const acme = await givenOrganization(server);
    const { client, id } = await givenKey(server, acme.developer, ['run:read']);
    const apiKeys = server.database.outside(openApiKeys);
    const live = await apiKeys.find(id);
    if (!live || live.fault !== null) throw new Error('the key is not found');
    const isNoted = async () => {
      const found = await apiKeys.find(id);
      return found?.fault === null && found.lastUsedAt !== null;
    };
    const writes = async () =>
      Number((await sql('select xmin::text::bigint as version from api_key where id = $1', [id])).rows[0].version);
    await Promise.all(Array.from({ length: 40 }, () => client('{ runs { totalCount } }')));
    while (!(await isNoted())) await new Promise(setImmediate);
    const version = await writes();
    // What was read before the first use was noted still says that there was none.
    for (let round = 0; round < 20; round += 1) {
      apiKeys.noteUse(live);
      await client('{ runs { totalCount } }');
    }
    expect(await writes()).toBe(version);
  });
});
