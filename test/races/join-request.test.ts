import { expect } from '@jest/globals';
import { givenHeldDomain, givenOrganization, personId, unique } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const REQUEST = 'mutation ($id: ID!) { requestToJoin(organizationId: $id) { requestStatus } }';

race('the first requests of one person, 10 at once, make one membership', async () => {
  const acme = await givenOrganization(server);
  const { name } = await givenHeldDomain(server, acme, { joining: 'AUTO' });
  for (let round = 0; round < 10; round += 1) {
    const jane = await server.as(`${unique('jane')}@${name}`);
    const answers = await Promise.all(Array.from({ length: 10 }, () => jane('{ viewer { role } }')));
    // One that comes while another lets them in may be told of no organization yet; none is refused.
    const roles = answers.map(({ data }) => data.viewer.role as unknown);
    expect(roles).toContain('VIEWER');
    expect(roles.filter((role) => role !== 'VIEWER' && role !== null)).toEqual([]);
    expect((await jane('{ viewer { role } }')).data.viewer.role).toBe('VIEWER');
    expect((await sql('select from membership where email = $1', [jane.email])).rowCount).toBe(1);
    expect((await sql('select from join_request where email = $1', [jane.email])).rowCount).toBe(1);
  }
  expect(server.logs.join('')).not.toContain('joining by domain failed');
});

race('people who sign in at the same moment take no more seats than there are', async () => {
  const acme = await givenOrganization(server);
  const { name } = await givenHeldDomain(server, acme, { joining: 'AUTO' });
  await sql('update organization set seat_limit = 7 where id = $1', [acme.id]);
  const people = await Promise.all(Array.from({ length: 10 }, () => server.as(`${unique('jane')}@${name}`)));
  const answers = await Promise.all(people.map((person) => person('{ viewer { role } }')));
  expect(answers.filter(({ data }) => data.viewer.role === 'VIEWER')).toHaveLength(3);
  const { rows } = await sql('select status, count(*)::int from join_request where org_id = $1 group by 1 order by 1', [
    acme.id,
  ]);
  expect(rows).toEqual([
    { status: 'APPROVED', count: 3 },
    { status: 'PENDING', count: 7 },
  ]);
});

race('asked for 10 times at once there is one request, and one of two decisions stands', async () => {
  for (let round = 0; round < 10; round += 1) {
    const acme = await givenOrganization(server);
    const { name } = await givenHeldDomain(server, acme, { joining: 'SUGGEST' });
    const jane = await server.as(`${unique('jane')}@${name}`);
    await jane('{ viewer { role } }');
    const asked = await Promise.all(Array.from({ length: 10 }, () => jane(REQUEST, { id: acme.id })));
    expect(asked.map(({ data }) => data.requestToJoin.requestStatus)).toEqual(Array(10).fill('PENDING'));
    const { rows } = await sql('select id from join_request where org_id = $1', [acme.id]);
    expect(rows).toHaveLength(1);
    const id = rows[0]?.['id'];
    const [approved, declined] = await Promise.all([
      acme.owner('mutation ($id: ID!) { approveJoinRequest(id: $id) { status } }', { id }),
      acme.admin('mutation ($id: ID!) { declineJoinRequest(id: $id) { status } }', { id }),
    ]);
    // Declined first, it may still be approved; approved first, it cannot be declined.
    expect(approved.errors).toEqual([]);
    expect([[], 'CONFLICT']).toContainEqual(codeOf(declined));
    expect((await sql('select status from join_request where id = $1', [id])).rows).toEqual([{ status: 'APPROVED' }]);
  }
});

race.each<[string, string]>([
  [
    'is suspended',
    `insert into membership (org_id, user_id, email, name, role, status) values ($1, $2, $3, 'Jane', 'VIEWER', 'SUSPENDED')`,
  ],
  [
    'is removed',
    `insert into membership (org_id, user_id, email, name, role, status) values ($1, $2, $3, 'Jane', 'VIEWER', 'REMOVED')`,
  ],
  [
    'finds the domain closed',
    `update organization_domain set joining = 'MANUAL' where org_id = $1 and $2::text || $3::text <> ''`,
  ],
  [
    'finds the domain lapsed',
    `update organization_domain set status = 'LAPSED', held_name = null where org_id = $1 and $2::text || $3::text <> ''`,
  ],
  [
    'finds the organization suspended',
    `update organization set status = 'SUSPENDED' where id = $1 and $2::text || $3::text <> ''`,
  ],
])('who %s while they ask joins nothing', async (_name, change) => {
  const acme = await givenOrganization(server);
  const { name } = await givenHeldDomain(server, acme, { joining: 'SUGGEST' });
  const jane = await server.as(`${unique('jane')}@${name}`);
  const id = await personId(jane);
  await sql(`update organization_domain set joining = 'AUTO' where org_id = $1`, [acme.id]);
  const [answer] = await inOrder(organizationRow(acme.id), [() => jane(REQUEST, { id: acme.id })], (client) =>
    client.query(change, [acme.id, id, jane.email]),
  );
  expect(codeOf(answer as Answer)).toBe('NOT_FOUND');
  const { rowCount } = await sql(`select from membership where org_id = $1 and user_id = $2 and status = 'ACTIVE'`, [
    acme.id,
    id,
  ]);
  expect(rowCount).toBe(0);
});
