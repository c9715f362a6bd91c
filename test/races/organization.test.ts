import { expect } from '@jest/globals';
import { type GivenOrganization, givenOrganization, givenTwoOrganizations, unique } from '../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const create = (client: Client, slug: string) =>
  client('mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { id } }', {
    input: { name: 'Acme', slug },
  });
const update = ({ admin }: GivenOrganization, input: object) =>
  admin('mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { slug } }', { input });

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

race('one slug makes one organization, with 10 at once, twenty times over', async () => {
  const people = await Promise.all(Array.from({ length: 10 }, () => server.as(`${unique('founder')}@acme.example`)));
  for (let round = 0; round < 20; round += 1) {
    const slug = unique('contended');
    const answers = await Promise.all(people.map((person) => create(person, slug)));
    expect(answers.map(outcome).sort()).toEqual([...Array(9).fill('CONFLICT'), 'done']);
    for (const { errors } of answers) expect(errors[0]?.extensions['argument'] ?? 'input.slug').toBe('input.slug');
    expect((await sql('select from organization where slug = $1', [slug])).rowCount).toBe(1);
    expect((await sql('select from address where name = $1', [slug])).rowCount).toBe(1);
  }
});

race('one slug is taken by one organization, whether it is made with it or moves to it', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { acme, globex } = await givenTwoOrganizations(server);
    const slug = unique('contended');
    const answers = await Promise.all([update(acme, { slug }), create(globex.owner, slug), update(globex, { slug })]);
    expect(answers.map(outcome).sort()).toEqual(['CONFLICT', 'CONFLICT', 'done']);
    expect((await sql('select from organization where slug = $1', [slug])).rowCount).toBe(1);
  }
});

race('two organizations that want each other’s slug leave both with one of their own', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  for (let round = 0; round < 10; round += 1) {
    const answers = await Promise.all([update(acme, { slug: globex.slug }), update(globex, { slug: acme.slug })]);
    expect(answers.map(outcome)).toEqual(['CONFLICT', 'CONFLICT']);
    const { rows } = await sql('select slug from organization where id = any ($1) order by id', [[acme.id, globex.id]]);
    expect(rows).toEqual([{ slug: acme.slug }, { slug: globex.slug }]);
  }
});

race('of many who change the same version one succeeds', async () => {
  const acme = await givenOrganization(server);
  const { agentId, repositoryId, developer } = acme;
  const QUERY = `query ($agent: ID!, $repository: ID!) {
    currentOrganization { updatedAt } agent(id: $agent) { updatedAt } repository(id: $repository) { updatedAt }
  }`;
  const change = (field: string, type: string, input: object) => () =>
    acme.admin(`mutation ($input: ${type}!) { ${field}(input: $input) { id } }`, { input });
  for (let round = 0; round < 10; round += 1) {
    const { data } = await developer(QUERY, { agent: agentId, repository: repositoryId });
    const description = unique('x');
    for (const each of [
      change('updateOrganization', 'UpdateOrganizationInput', {
        description,
        expectedUpdatedAt: data.currentOrganization.updatedAt,
      }),
      change('updateAgent', 'UpdateAgentInput', { id: agentId, description, expectedUpdatedAt: data.agent.updatedAt }),
      change('updateRepository', 'UpdateRepositoryInput', {
        id: repositoryId,
        description,
        expectedUpdatedAt: data.repository.updatedAt,
      }),
    ]) {
      const answers = await Promise.all(Array.from({ length: 6 }, each));
      expect(answers.map(outcome).sort()).toEqual([...Array(5).fill('CONFLICT'), 'done']);
    }
  }
});

race('of two who change the same version the first succeeds, in either order', async () => {
  const acme = await givenOrganization(server);
  for (const order of [
    ['one', 'two'],
    ['two', 'one'],
  ]) {
    const { data } = await acme.viewer('{ currentOrganization { updatedAt } }');
    const expectedUpdatedAt = data.currentOrganization.updatedAt;
    const answers = await inOrder(
      organizationRow(acme.id),
      order.map((description) => () => update(acme, { description, expectedUpdatedAt })),
    );
    expect(answers.map(outcome)).toEqual(['done', 'CONFLICT']);
    const after = await acme.viewer('{ currentOrganization { description } }');
    expect(after.data.currentOrganization.description).toBe(order[0]);
  }
});

race('the first requests of one person, 10 at once, make one person', async () => {
  for (let round = 0; round < 10; round += 1) {
    const email = `${unique('new')}@acme.example`;
    const client = await server.as(email);
    const answers = await Promise.all(Array.from({ length: 10 }, () => client('{ viewer { user { id } } }')));
    expect(new Set(answers.map(({ data }) => data.viewer.user.id)).size).toBe(1);
    expect((await sql('select from person where email = $1', [email])).rowCount).toBe(1);
  }
});
