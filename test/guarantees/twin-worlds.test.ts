import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { type GivenOrganization, givenOrganization, personId } from '../support/given.js';
import { asTarget, type Attempt, givenSomeone, mask, type Target } from '../support/isolation.js';
import { type Answer, startServer, type TestServer } from '../support/server.js';
import { CASES } from './isolation-cases.js';
import { byTest } from '../support/act.js';

/** A deployment, in a database of its own, of which globex is a customer. */
interface World {
  readonly server: TestServer;
  readonly globex: GivenOrganization;
}

let without: World;
/** The same, and acme is a customer too. */
let populated: World & { readonly acme: Target };

beforeAll(async () => {
  // Everything there is, counted and all, is asked for by one operation.
  const env = { QUERY_MAX_COST: '30000' };
  const [first, second] = [
    await startServer({ ownDatabase: true, env }),
    await startServer({ ownDatabase: true, env }),
  ];
  without = { server: first, globex: await givenOrganization(first, 'globex') };
  const acme = await asTarget(second, await givenOrganization(second, 'acme'));
  populated = { server: second, globex: await givenOrganization(second, 'globex'), acme };
  await grow(populated);
});

afterAll(async () => {
  await without.server.close();
  await populated.server.close();
});

/** Enough of acme's for any count, page or order to show. */
async function grow({ server, acme }: typeof populated): Promise<void> {
  const db = server.database.organizationDb(acme.id, byTest);
  const createdById = await personId(acme.owner);
  for (let index = 0; index < 30; index += 1) {
    await db.run.create({ id: newId('run'), createdById, input: { canary: `canary of ${acme.slug}` } });
    await db.repository.create({ id: newId('rep'), name: `${index}`, gitUrl: 'https://git.example/g' });
  }
}

/** What both worlds minted for themselves is masked: ids, instants, names made for one test, cursors made of them. */
const seenBy = ({ globex }: World, answer: Answer, value: string): string =>
  mask(answer, value)
    .replaceAll(globex.slug, '<globex>')
    .replaceAll(/-[0-9a-f]{10}\b/g, '-<unique>')
    .replaceAll(/"(cursor|startCursor|endCursor)":"[^"]*"/g, '"$1":"<cursor>"');

const LOOK = `{
  viewer { role permissions memberships { totalCount nodes { role organization { slug } } } }
  myOrganizations { totalCount nodes { slug viewerRole } }
  currentOrganization { name settings { featureFlags } members { totalCount nodes { role user { email } } } usage { totalRuns totalTokens totalCost } }
  repositories(first: 100) { totalCount edges { cursor } pageInfo { hasNextPage endCursor } nodes { id name agents { totalCount nodes { id name } } runs { totalCount nodes { id status } } } }
  agents(first: 100) { totalCount edges { cursor } nodes { id name } }
  runs { totalCount edges { cursor } nodes { id input createdBy { name } } }
  organizationUsage { totalRuns runsByStatus { status count } }
}`;

const ROLES = ['owner', 'admin', 'developer', 'viewer'] as const;

test.each(ROLES)('what its %s reads MUST be byte-identical, whether or not acme is there', async (role) => {
  const look = async (world: World) => seenBy(world, await world.globex[role](LOOK), '<nothing>');
  const seen = await look(populated);
  expect(seen).toContain('<globex>');
  expect(seen).toBe(await look(without));
});

/** Slugs are unique across organizations, and that one is taken is all that anyone is told of it. */
const isSlugOfItsOwn = (path: string): boolean => /^Mutation\.(create|update)Organization\.input\.slug$/.test(path);

test.each(Object.entries(CASES).filter(([path]) => !isSlugOfItsOwn(path)))(
  'what the same request is answered MUST be byte-identical, whether acme is there or never was: %s',
  async (_path, attempt: Attempt) => {
    for (const role of ROLES) {
      const ask = async (world: World, value: string) => {
        const db = world.server.database.organizationDb(world.globex.id, byTest);
        const own = { ...world.globex, memberId: await givenSomeone(db) };
        const variables = await attempt.variables(value, own, db);
        return seenBy(world, await world.globex[role](attempt.query, variables), value);
      };
      const { acme, server } = populated;
      const meant = await attempt.foreign(acme, server.database.organizationDb(acme.id, byTest));
      expect(await ask(populated, meant)).toBe(await ask(without, meant));
    }
  },
);
