import { expect } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { provisionFromProvider } from '../../src/domains/identity-provider/provision-from-provider.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { openSessions } from '../../src/identity/sessions.js';
import { givenHeldDomain, givenOrganization, givenProvider, personId, unique } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

async function given() {
  const acme = await givenOrganization(server);
  const viewerId = await personId(acme.viewer);
  const owner = await server.as(acme.owner.email, acme.id);
  const steps: Record<string, () => Promise<Answer>> = {
    request: () =>
      owner('mutation ($confirm: String!) { requestOrganizationDeletion(confirm: $confirm) { status } }', {
        confirm: acme.slug,
      }),
    cancel: () => owner('mutation { cancelOrganizationDeletion { status } }'),
    rename: () =>
      owner('mutation ($slug: String) { updateOrganization(input: { slug: $slug }) { slug } }', {
        slug: `${acme.slug}-x`,
      }),
    remove: () => owner('mutation ($id: ID!) { removeMember(userId: $id) { status } }', { id: viewerId }),
    leave: () => acme.admin('mutation { leaveOrganization { status } }'),
  };
  const inTurn = (...names: string[]) =>
    inOrder(
      organizationRow(acme.id),
      names.map((name) => steps[name] as () => Promise<Answer>),
    );
  return { acme, steps, inTurn };
}

race(
  'what waits for the lock when a deletion is asked for is refused, but for leaving, and done when it came first',
  async () => {
    for (const name of ['rename', 'remove']) {
      const first = await given();
      const [request, late] = await first.inTurn('request', name);
      expect([outcome(request as Answer), late?.errors[0]?.extensions['reason']]).toEqual(['done', 'PENDING_DELETION']);
    }
    const leaving = await given();
    expect((await leaving.inTurn('request', 'leave')).map(outcome)).toEqual(['done', 'done']);
    for (const name of ['remove', 'leave']) {
      const second = await given();
      expect((await second.inTurn(name, 'request')).map(outcome)).toEqual(['done', 'done']);
    }
  },
);

race('a slug that is confirmed is the slug at that moment', async () => {
  const { inTurn, acme } = await given();
  expect((await inTurn('rename', 'request')).map(outcome)).toEqual(['done', 'BAD_USER_INPUT']);
  const { rows } = await server.database.pool.queryAsLoginRole('select status from organization where id = $1', [
    acme.id,
  ]);
  expect(rows).toEqual([{ status: 'ACTIVE' }]);
});

race('of two who ask, and of two who take it back, one does', async () => {
  const { inTurn, steps } = await given();
  expect((await inTurn('request', 'request')).map(outcome)).toEqual(['done', 'FORBIDDEN']);
  expect((await inTurn('cancel', 'cancel')).map(outcome)).toEqual(['done', 'CONFLICT']);
  expect(outcome(await (steps['remove'] as () => Promise<Answer>)())).toBe('done');
});

race('nobody is tied to an organization, nor signed in to it alone, behind its purge', async () => {
  const acme = await givenOrganization(server);
  const { name } = await givenHeldDomain(server, acme);
  const provider = await givenProvider(server, acme);
  const subject = newId('sub');
  const assertion = { subject, verifiedEmail: `${unique('jo')}@${name}`, name: 'Jo' };
  const { catalogue } = createContract();
  const tie = () =>
    provisionFromProvider({ ...server.database, catalogue }, provider, assertion, {}).catch((error: unknown) => error);
  const ownerId = await personId(acme.owner);
  const session = { personId: ownerId, provider: provider.id, boundOrgId: acme.id, userAgent: null };
  const sessions = server.database.outside(openSessions);
  const own = await sessions.start({ ...session, provider: null, boundOrgId: null });
  const signIn = () => sessions.start(session).catch((error: unknown) => error);
  const atHost = () => sessions.startAtHost({ of: own.sessionId, boundOrgId: acme.id, userAgent: null });
  const refused = await inOrder<unknown>(organizationRow(acme.id), [tie, signIn, atHost], (beside) =>
    beside.query(
      `update organization set status = 'PENDING_DELETION', purge_at = now(), purge_began_at = now() where id = $1`,
      [acme.id],
    ),
  );
  expect(refused).toEqual([
    expect.objectContaining({ reason: 'NO_MEMBERSHIP' }),
    expect.objectContaining({ code: 'NOT_FOUND' }),
    null,
  ]);
  const { rows } = await server.database.pool.queryAsLoginRole(
    `select 'identity' as left from identity where subject = $1 union all
     select 'person' from person where email = $2 union all select 'session' from session where bound_org_id = $3`,
    [subject, assertion.verifiedEmail, acme.id],
  );
  expect(rows).toEqual([]);
});
