import { expect } from '@jest/globals';
import { type GivenOrganization, givenOrganization, personId } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const create = ({ admin }: GivenOrganization) =>
  admin(
    'mutation { createWebhook(input: { url: "https://203.0.113.9/", events: ["run.failed"] }) { webhook { id createdBy { id } } } }',
  );
const countOf = async ({ owner }: GivenOrganization) =>
  (await owner('{ webhooks { totalCount } }')).data.webhooks.totalCount;

race('of two webhooks at once where there is room for one the second is refused, and of ten one is made', async () => {
  const acme = await givenOrganization(server);
  for (let each = 0; each < 19; each += 1) expect((await create(acme)).errors).toEqual([]);
  const steps = [() => create(acme), () => create(acme)];
  const [one, two] = await inOrder<Answer>(organizationRow(acme.id), steps);
  const made = one?.data.createWebhook.webhook;
  expect(made?.createdBy).toEqual({ id: await personId(acme.admin) });
  expect(codeOf(two as Answer)).toBe('CONFLICT');
  await acme.owner('mutation ($id: ID!) { deleteWebhook(id: $id) }', { id: made?.id });
  const answers = await Promise.all(Array.from({ length: 10 }, () => create(acme)));
  expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
  expect(await countOf(acme)).toBe(20);
});

race('whoever may not read the record any more once it is their turn makes none', async () => {
  const acme = await givenOrganization(server);
  const userId = await personId(acme.admin);
  const [answer] = await inOrder<Answer>(organizationRow(acme.id), [() => create(acme)], async (client) => {
    await client.query(`select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true)`);
    await client.query(`update membership set withheld = '{audit:read}' where org_id = $1 and user_id = $2`, [
      acme.id,
      userId,
    ]);
  });
  expect(answer?.errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', requiredPermission: 'audit:read' });
  expect(await countOf(acme)).toBe(0);
});
