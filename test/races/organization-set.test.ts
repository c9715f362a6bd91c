import { expect } from '@jest/globals';
import { brandVerifiedOrgId } from '../../src/data/id.js';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../support/given.js';
import { type Answer, type Client, codeOf, countWaitingTurns, useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12, env: { REGION: 'useast' } });

const CREATE = `mutation ($input: CreateOrganizationSetInput!) { createOrganizationSet(input: $input) { id organizations { id slug } } }`;
const EXTEND = `mutation ($input: ExtendOrganizationSetInput!) { extendOrganizationSet(input: $input) { organizations { slug } } }`;
const PROMOTE = `mutation ($input: PromoteSettingsInput!) { promoteSettings(input: $input) { changes { path before after } } }`;
const CHANGE = `mutation ($settings: OrganizationSettingsInput!) { updateOrganization(input: { settings: $settings }) { id } }`;

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));
const inputOf = (base: string, environments = ['PROD', 'STAGING', 'QA']) => ({
  name: 'Acme',
  base,
  project: 'p',
  regions: ['useast', 'eucentral'],
  environments,
});
const countOf = async (base: string) =>
  (
    await sql(
      `select (select count(*)::int from organization where base = $1) as organizations,
         (select count(*)::int from organization_set where base = $1) as sets`,
      [base],
    )
  ).rows[0];

race('one maker who asks ten times at once has one set, and every answer is that', async () => {
  for (let round = 0; round < 5; round += 1) {
    const base = unique('once');
    const maker = await server.as(`${unique('maker')}@acme.example`);
    await personId(maker);
    const answers = await Promise.all(Array.from({ length: 10 }, () => maker(CREATE, { input: inputOf(base) })));
    expect(answers.map(outcome)).toEqual(Array(10).fill('done'));
    const seen = answers.map(({ data }) => data.createOrganizationSet);
    for (const each of seen) expect(each).toEqual(seen[0]);
    expect(seen[0]?.organizations).toHaveLength(3);
    expect(await countOf(base)).toEqual({ organizations: 3, sets: 1 });
  }
});

race('of two makers of one set one has all of it, and the other nothing, whatever order they name it in', async () => {
  for (let round = 0; round < 10; round += 1) {
    const base = unique('contended');
    const makers = await Promise.all([1, 2].map(() => server.as(`${unique('maker')}@acme.example`)));
    await Promise.all(makers.map(personId));
    const orders = [
      ['PROD', 'STAGING', 'QA'],
      ['QA', 'STAGING', 'PROD'],
    ];
    const answers = await Promise.all(
      makers.map((maker, index) => maker(CREATE, { input: inputOf(base, orders[index]) })),
    );
    expect(answers.map(outcome).toSorted()).toEqual(['CONFLICT', 'done']);
    expect(await countOf(base)).toEqual({ organizations: 3, sets: 1 });
  }
});

race('of two OWNERs who add the same, both find it there or one is told, and it is there once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const base = unique('added');
    const maker = await server.as(`${unique('maker')}@acme.example`);
    const made = await maker(CREATE, { input: inputOf(base, ['PROD']) });
    const prod = made.data.createOrganizationSet?.organizations[0];
    if (!prod) throw new Error(made.text);
    const other = await givenMember(server, { id: brandVerifiedOrgId(prod.id), slug: prod.slug }, 'OWNER');
    const add = (client: Client) =>
      client(
        EXTEND,
        { input: { regions: ['useast'], environments: ['DEV', 'QA'] } },
        { 'x-organization-id': prod.slug },
      );
    const answers = await Promise.all([add(maker), add(other)]);
    for (const each of answers.map(outcome)) expect(['done', 'CONFLICT', 'FORBIDDEN']).toContain(each);
    expect(answers.map(outcome)).toContain('done');
    expect(await countOf(base)).toEqual({ organizations: 3, sets: 1 });
  }
});

const nameRow = (name: string) => ({ text: 'select from address where name = $1 for update', values: [name] });

race(
  'whoever is signed out while they wait for a name makes nothing, of a set that is new or is added to',
  async () => {
    for (const verb of ['create', 'extend'] as const) {
      const base = unique('late');
      const maker = await server.as(`${unique('maker')}@acme.example`);
      const browser = await givenBrowser(server, await personId(maker));
      const client = server.withToken((await browser.token()).access);
      const made = verb === 'extend' ? await maker(CREATE, { input: inputOf(base, ['PROD']) }) : null;
      const prod = made?.data.createOrganizationSet?.organizations[0]?.slug ?? '';
      // A name that nobody holds any more, which whoever takes it frees first.
      const slug = `${base}-p-useast-qa`;
      await sql(
        `insert into address (name, kind, org_id, given_up_at) values ($1, 'SLUG', $2, current_timestamp - interval '1 year')`,
        [slug, (await givenOrganization(server)).id],
      );
      const ask = (): Promise<Answer> =>
        verb === 'create'
          ? client(CREATE, { input: inputOf(base, ['QA']) })
          : client(EXTEND, { input: { regions: ['useast'], environments: ['QA'] } }, { 'x-organization-id': prod });
      const [answer] = await inOrder(nameRow(slug), [ask], (beside) =>
        beside.query(`update session set ended_at = current_timestamp, end_reason = 'REVOKED' where id = $1`, [
          browser.sessionId,
        ]),
      );
      expect([verb, codeOf(answer as Answer)]).toEqual([verb, 'UNAUTHENTICATED']);
      expect(await countOf(base)).toMatchObject({ organizations: verb === 'extend' ? 1 : 0 });
    }
  },
);

race('who is demoted in one of the set, or sees it deleted, while they wait for it, adds nothing', async () => {
  for (const [change, at] of [
    [`update membership set role = 'ADMIN' where org_id = $1 and user_id = $2`, 0],
    [`update membership set role = 'ADMIN' where org_id = $1 and user_id = $2`, 1],
    [`update organization set status = 'SUSPENDED' where id = $1 and $2 <> ''`, 0],
  ] as const) {
    const base = unique('demoted');
    const maker = await server.as(`${unique('maker')}@acme.example`);
    const made = await maker(CREATE, { input: inputOf(base, ['PROD', 'STAGING']) });
    const organizations = made.data.createOrganizationSet?.organizations ?? [];
    const id = organizations[at]?.id ?? '';
    const add = () =>
      maker(
        EXTEND,
        { input: { regions: ['useast'], environments: ['QA'] } },
        { 'x-organization-id': organizations[0]?.slug ?? '' },
      );
    const userId = await personId(maker);
    const [answer] = await inOrder(organizationRow(id), [add], (beside) => beside.query(change, [id, userId]));
    expect([change, at, codeOf(answer as Answer)]).toEqual([change, at, 'FORBIDDEN']);
    expect(await countOf(base)).toMatchObject({ organizations: 2 });
  }
});

race('of those who wait for the rows of a set one holds a connection, and the others wait for their turn', async () => {
  const base = unique('waiting');
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const made = await maker(CREATE, { input: inputOf(base, ['PROD']) });
  const prod = made.data.createOrganizationSet?.organizations[0];
  if (!prod) throw new Error(made.text);
  const add = () =>
    maker(EXTEND, { input: { regions: ['useast'], environments: ['QA'] } }, { 'x-organization-id': prod.slug });
  let waiting = 0;
  const answers = await inOrder(organizationRow(prod.id), [add, add, add], async () => {
    waiting = countWaitingTurns();
  });
  expect(waiting).toBe(2);
  expect(answers.map(outcome)).toEqual(['done', 'done', 'done']);
});

race('who promotes beside who updates takes what was seen, or is told, in either order', async () => {
  const { acme: source, globex: target } = await givenTwoOrganizations(server);
  const email = `${unique('both')}@acme.example`;
  await givenMember(server, source, 'ADMIN', { email });
  const both = await givenMember(server, target, 'ADMIN', { email });
  await source.admin(CHANGE, { settings: { branding: { displayName: 'Source' } } });
  for (const isPromotionFirst of [true, false]) {
    const { rows } = await sql('select settings_version as version from organization where id = $1', [target.id]);
    const expectedVersion = rows[0].version as number;
    const promote = () =>
      both(PROMOTE, { input: { from: source.slug, paths: ['branding.displayName'], expectedVersion } });
    const update = () => target.admin(CHANGE, { settings: { expectedVersion, branding: { displayName: 'Own' } } });
    const steps: (() => Promise<Answer>)[] = isPromotionFirst ? [promote, update] : [update, promote];
    const answers = await inOrder(organizationRow(target.id), steps);
    expect(answers.map(outcome)).toEqual(['done', 'CONFLICT']);
    const { rows: after } = await sql(
      `select settings ->> 'branding.displayName' as name from organization where id = $1`,
      [target.id],
    );
    expect(after[0].name).toBe(isPromotionFirst ? 'Source' : 'Own');
  }
});

race('who is demoted in the source while they wait takes nothing, and leaves nothing there', async () => {
  const { acme: source, globex: target } = await givenTwoOrganizations(server);
  const email = `${unique('both')}@acme.example`;
  await givenMember(server, source, 'ADMIN', { email });
  const both = await givenMember(server, target, 'ADMIN', { email });
  const userId = await personId(both);
  await source.admin(CHANGE, { settings: { branding: { displayName: 'Source' } } });
  const promote = () => both(PROMOTE, { input: { from: source.slug, paths: ['branding.displayName'] } });
  for (const change of [`role = 'VIEWER'`, `role = 'ADMIN', status = 'SUSPENDED'`]) {
    await sql(`update membership set role = 'ADMIN', status = 'ACTIVE' where org_id = $1 and user_id = $2`, [
      source.id,
      userId,
    ]);
    const [answer] = await inOrder(organizationRow(source.id), [promote], (client) =>
      client.query(`update membership set ${change} where org_id = $1 and user_id = $2`, [source.id, userId]),
    );
    expect(codeOf(answer as Answer)).toBe('FORBIDDEN');
  }
  const { rowCount } = await sql(
    `select from audit_entry where org_id = $1 and action = 'organization.settings_promoted'`,
    [source.id],
  );
  expect(rowCount).toBe(0);
  const { rows } = await sql('select settings_version as version from organization where id = $1', [target.id]);
  expect(rows[0].version).toBe(1);
});

race(
  'who is demoted in the target between the two takes nothing over, though the source says that they asked',
  async () => {
    const { acme: source, globex: target } = await givenTwoOrganizations(server);
    const email = `${unique('both')}@acme.example`;
    await givenMember(server, source, 'ADMIN', { email });
    const both = await givenMember(server, target, 'ADMIN', { email });
    const userId = await personId(both);
    await source.admin(CHANGE, { settings: { branding: { displayName: 'Source' } } });
    const promote = () => both(PROMOTE, { input: { from: source.slug, paths: ['branding.displayName'] } });
    const [answer] = await inOrder(organizationRow(target.id), [promote], (client) =>
      client.query(`update membership set role = 'VIEWER' where org_id = $1 and user_id = $2`, [target.id, userId]),
    );
    expect(codeOf(answer as Answer)).toBe('FORBIDDEN');
    const { rowCount } = await sql(
      `select from audit_entry where org_id = $1 and action = 'organization.settings_promoted'`,
      [source.id],
    );
    expect(rowCount).toBe(1);
    const { rows } = await sql('select settings_version as version from organization where id = $1', [target.id]);
    expect(rows[0].version).toBe(1);
  },
);
