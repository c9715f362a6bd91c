import { expect } from '@jest/globals';
import { givenOrganization, givenTwoOrganizations, unique } from '../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const rename = (client: Client, slug: string) =>
  client('mutation ($slug: String) { updateOrganization(input: { slug: $slug }) { slug } }', { slug });
const release = (client: Client, slug: string) =>
  client('mutation ($slug: String!) { releaseSlug(slug: $slug) { slug } }', { slug });
const create = (client: Client, slug: string) =>
  client('mutation ($slug: String!) { createOrganization(input: { name: "New", slug: $slug }) { slug } }', { slug });
const sql = async (text: string, values: unknown[]) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

/** Organizations of their own, each with an OWNER who names theirs by its id. */
async function givenOwner() {
  const { id, slug, owner } = await givenOrganization(server);
  return { id, slug, owner: await server.as(owner.email, id) };
}

race('a former slug that nobody holds any more is taken by one of those who want it', async () => {
  for (let round = 0; round < 10; round += 1) {
    const [acme, ...others] = await Promise.all(Array.from({ length: 6 }, givenOwner));
    if (!acme) throw new Error('there are six');
    expect(outcome(await rename(acme.owner, unique('renamed')))).toBe('done');
    await sql(`update address set given_up_at = now() - interval '181 days' where name = $1`, [acme.slug]);
    const answers = await Promise.all([
      ...others.map(({ owner }, index) => (index % 2 ? create(owner, acme.slug) : rename(owner, acme.slug))),
      rename(acme.owner, acme.slug),
    ]);
    expect(answers.map(outcome).toSorted()).toEqual([...Array(5).fill('CONFLICT'), 'done']);
    expect(await sql('select from organization where slug = $1', [acme.slug])).toHaveLength(1);
    expect(await sql('select from address where name = $1 and given_up_at is null', [acme.slug])).toHaveLength(1);
  }
});

race('a slug that its organization gives up is never taken in between', async () => {
  for (let round = 0; round < 10; round += 1) {
    const [acme, globex] = [await givenOwner(), await givenOwner()];
    const answers = await Promise.all([
      rename(acme.owner, unique('renamed')),
      ...Array.from({ length: 4 }, () => create(globex.owner, acme.slug)),
      rename(globex.owner, acme.slug),
    ]);
    expect(answers.map(outcome)).toEqual(['done', ...Array(5).fill('CONFLICT')]);
  }
});

race('of releasing a slug and going back to it one is done, in either order', async () => {
  for (const steps of [
    ['release', 'rename'],
    ['rename', 'release'],
  ]) {
    const acme = await givenOwner();
    expect(outcome(await rename(acme.owner, unique('renamed')))).toBe('done');
    const act: Record<string, () => Promise<Answer>> = {
      release: () => release(acme.owner, acme.slug),
      rename: () => rename(acme.owner, acme.slug),
    };
    const answers = await inOrder(
      organizationRow(acme.id),
      steps.map((step) => act[step] as () => Promise<Answer>),
    );
    // Released, it may be taken by anyone, its organization among them.
    expect(answers.map(outcome)).toEqual(steps[0] === 'release' ? ['done', 'done'] : ['done', 'NOT_FOUND']);
    expect(await sql('select slug from organization where id = $1', [acme.id])).toEqual([{ slug: acme.slug }]);
  }
});

race('what an organization releases goes to one of those who wait for it', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { acme, globex } = await givenTwoOrganizations(server);
    const owner = await server.as(acme.owner.email, acme.id);
    expect(outcome(await rename(owner, unique('renamed')))).toBe('done');
    const [released, ...taking] = await Promise.all([
      release(owner, acme.slug),
      ...Array.from({ length: 6 }, () => create(globex.owner, acme.slug)),
    ]);
    expect(outcome(released)).toBe('done');
    expect(taking.map(outcome).filter((each) => each === 'done').length).toBeLessThanOrEqual(1);
    expect(outcome(await create(globex.owner, acme.slug))).toBe(
      taking.map(outcome).includes('done') ? 'CONFLICT' : 'done',
    );
  }
});
