import { describe, expect, test } from '@jest/globals';
import { givenKey } from '../../support/api-key.js';
import { givenAdministrator, givenMember, givenOrganization, personId, unique } from '../../support/given.js';
import { brandVerifiedOrgId } from '../../../src/data/id.js';
import {
  type Client,
  codeOf,
  startServer,
  type TestServer,
  useServer,
  withoutRequestId,
} from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

const server = useServer({ env: { REGION: 'useast' } });

const CREATE = `mutation ($input: CreateOrganizationSetInput!) { createOrganizationSet(input: $input) {
  id name base project
  organizations { id name slug viewerRole region { tag cloudRegion isHere } environment base project set { id } }
  elsewhere { slug region { tag isHere } environment }
} }`;
const EXTEND = `mutation ($input: ExtendOrganizationSetInput!) { extendOrganizationSet(input: $input) {
  id organizations { slug } elsewhere { slug } } }`;
const CHECK = `query ($input: CheckOrganizationNamesInput!) { checkOrganizationNames(input: $input) {
  slug region environment length limit problems suggestion } }`;
const SIBLINGS = '{ currentOrganization { slug siblings { slug } set { name organizations { slug } } } }';

/** A base that no other test uses: letters only. */
const base = (): string =>
  unique('acme')
    .replaceAll(/[^a-z0-9]/g, '')
    .replaceAll(/\d/g, (digit) => 'ghijklmnop'[Number(digit)] ?? '');
const naming = (slug: string) => ({ 'x-organization-id': slug });
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

interface MadeSet {
  readonly maker: Client;
  readonly base: string;
  readonly input: object;
  readonly organizations: readonly { id: string; slug: string }[];
}

async function givenSet(on: TestServer = server, environments = ['STAGING', 'PROD']): Promise<MadeSet> {
  const name = base() + 'x';
  const maker = await on.as(`${unique('maker')}@acme.example`);
  const input = { name: 'Acme', base: name, project: 'women-a', regions: ['useast', 'eu-central-1'], environments };
  const { data, errors } = await maker(CREATE, { input });
  expect(errors).toEqual([]);
  return { maker, base: name, input, organizations: data.createOrganizationSet?.organizations ?? [] };
}

describe('A set', () => {
  test('has one organization for each environment here, and the names of those elsewhere', async () => {
    const { maker, base: name, input } = await givenSet();
    const { data, errors } = await maker(CREATE, { input });
    expect(errors).toEqual([]);
    const at = (region: string, cloudRegion: string, isHere: boolean) => ({ tag: region, cloudRegion, isHere });
    expect(data.createOrganizationSet).toMatchObject({
      name: 'Acme',
      base: name,
      project: 'women-a',
      organizations: [
        {
          name: 'Acme useast prod',
          slug: `${name}-women-a-useast-prod`,
          viewerRole: 'OWNER',
          region: at('useast', 'us-east-1', true),
          environment: 'PROD',
          base: name,
          project: 'women-a',
        },
        { slug: `${name}-women-a-useast-staging`, environment: 'STAGING', set: { id: data.createOrganizationSet?.id } },
      ],
      elsewhere: [
        { slug: `${name}-women-a-eucentral-prod`, region: { tag: 'eucentral', isHere: false }, environment: 'PROD' },
        { slug: `${name}-women-a-eucentral-staging`, environment: 'STAGING' },
      ],
    });
  });

  test('of no environments has one organization in each region, as in the guide', async () => {
    const { organizations, base: name } = await givenSet(server, []);
    expect(organizations.map(({ slug }) => slug)).toEqual([`${name}-women-a-useast`]);
  });

  test('is made once: the same again answers what is there, and more of it is CONFLICT', async () => {
    const { maker, input, organizations } = await givenSet();
    const again = await maker(CREATE, { input: { ...input, name: 'Renamed' } });
    expect(again.data.createOrganizationSet?.organizations.map(({ id }) => id)).toEqual(
      organizations.map(({ id }) => id),
    );
    const more = await maker(CREATE, { input: { ...input, environments: ['DEV'] } });
    expect(codeOf(more)).toBe('CONFLICT');
  });

  test('is made whole or not at all: where one name is taken, nothing is left', async () => {
    const name = base() + 'x';
    const other = await server.as(`${unique('other')}@acme.example`);
    const slug = `${name}-women-a-useast-staging`;
    await other('mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { id } }', { slug });
    const maker = await server.as(`${unique('maker')}@acme.example`);
    const input = { name: 'A', base: name, project: 'women-a', regions: ['useast'], environments: ['PROD', 'STAGING'] };
    const refused = await maker(CREATE, { input });
    expect(codeOf(refused)).toBe('CONFLICT');
    expect(refused.errors[0]?.extensions).toMatchObject({
      argument: 'input',
      names: [{ slug, length: slug.length, limit: 63, problems: ['This slug is already taken.'] }],
    });
    const { rows } = await sql(
      `select (select count(*)::int from organization where slug like $1) as organizations,
         (select count(*)::int from organization_set where base = $2) as sets`,
      [`${name}%`, name],
    );
    expect(rows).toEqual([{ organizations: 1, sets: 0 }]);
  });

  test('leaves what it made in the record of each organization, and of the deployment', async () => {
    const { organizations, base: name } = await givenSet();
    const { rows } = await sql(
      `select action from audit_entry where org_id = any ($1) and action = 'organization.created'`,
      [organizations.map(({ id }) => id)],
    );
    expect(rows).toHaveLength(2);
    const { rows: kept } = await sql(
      `select action from audit_entry where org_id = '' and (changes -> 'base' ->> 1 = $1 or target_id like $2) order by action`,
      [name, `${name}-%`],
    );
    expect(kept.map(({ action }) => action)).toEqual([
      'organization_elsewhere.created',
      'organization_elsewhere.created',
      'organization_set.created',
    ]);
  });

  test('is refused with the argument that does not fit', async () => {
    const { maker, input } = await givenSet();
    const refuse = async (more: object) => {
      const { errors } = await maker(CREATE, { input: { ...input, ...more } });
      return [errors[0]?.extensions['code'], errors[0]?.extensions['argument']];
    };
    expect(await refuse({ regions: ['mars'] })).toEqual(['BAD_USER_INPUT', 'input.regions.0']);
    expect(await refuse({ regions: [] })).toEqual(['BAD_USER_INPUT', 'input.regions']);
    expect(await refuse({ base: 'Acme' })).toEqual(['BAD_USER_INPUT', 'input.base']);
    expect(await refuse({ project: '-a' })).toEqual(['BAD_USER_INPUT', 'input.project']);
    expect(await refuse({ name: 'x'.repeat(61) })).toEqual(['BAD_USER_INPUT', 'input.name']);
    const long = await refuse({ base: 'b'.repeat(40), project: 'p'.repeat(40) });
    expect(long).toEqual(['BAD_USER_INPUT', 'input']);
  });

  test('is made by people only, where the deployment lets them make organizations', async () => {
    const acme = await givenOrganization(server);
    const { client } = await givenKey(server, acme.owner, ['organization:read']);
    const input = { name: 'A', base: base() + 'x', project: 'p', regions: ['useast'], environments: [] };
    expect(codeOf(await client(CREATE, { input }))).toBe('FORBIDDEN');
    const strict = await startServer({ env: { REGION: 'useast', ORGANIZATION_CREATION: 'system-admin' } });
    try {
      const maker = await strict.as(`${unique('maker')}@acme.example`);
      expect(codeOf(await maker(CREATE, { input }))).toBe('FORBIDDEN');
      const sam = await givenAdministrator(strict);
      expect((await sam(CREATE, { input })).errors).toEqual([]);
    } finally {
      await strict.close();
    }
  });
});

describe('Organizations of a set', () => {
  test('show each other to who is in both, and to nobody else', async () => {
    const { maker, organizations } = await givenSet();
    const [prod, staging] = organizations;
    if (!prod || !staging) throw new Error('no set');
    const seen = async (client: Client) => (await client(SIBLINGS, {}, naming(prod.slug))).data.currentOrganization;
    expect(await seen(maker)).toMatchObject({ slug: prod.slug, siblings: [{ slug: staging.slug }] });
    const prodOnly = await givenMember(server, { id: brandVerifiedOrgId(prod.id), slug: prod.slug }, 'ADMIN');
    expect(await seen(prodOnly)).toMatchObject({
      siblings: [],
      set: { name: 'Acme', organizations: [{ slug: prod.slug }] },
    });
  });

  test('are siblings because they were made together: a stranger who takes such a name is none', async () => {
    const { maker, base: name, organizations } = await givenSet();
    const stranger = await server.as(`${unique('stranger')}@evil.example`);
    const slug = `${name}-women-a-useast-dev`;
    await stranger('mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { id } }', {
      slug,
    });
    const { data } = await stranger(SIBLINGS, {}, naming(slug));
    expect(data.currentOrganization).toEqual({ slug, siblings: [], set: null });
    const own = await maker(SIBLINGS, {}, naming(organizations[0]?.slug ?? ''));
    expect(own.data.currentOrganization?.siblings).toHaveLength(1);
  });

  test('show nothing of each other to a key', async () => {
    const { maker, organizations } = await givenSet();
    const slug = organizations[0]?.slug ?? '';
    const inProd = server.withToken(maker.token, maker.email, naming(slug));
    const { client } = await givenKey(server, inProd, ['organization:read']);
    const { data, errors } = await client(SIBLINGS);
    expect(errors).toEqual([]);
    expect(data.currentOrganization).toMatchObject({ siblings: [], set: { organizations: [] } });
  });

  test('show nothing of each other, nor what is elsewhere, to a session that reaches one of them only', async () => {
    const { maker, organizations } = await givenSet();
    const bound = await givenBrowser(server, await personId(maker), { boundOrgId: organizations[0]?.id ?? '' });
    const { access } = await bound.token();
    const look = '{ currentOrganization { siblings { slug } set { organizations { slug } elsewhere { slug } } } }';
    const { data, errors } = await server.withToken(access)(look);
    expect([errors, data.currentOrganization]).toEqual([
      [],
      { siblings: [], set: { organizations: [], elsewhere: [] } },
    ]);
  });

  test('stay where they are: the database itself refuses an organization that moves', async () => {
    const { organizations } = await givenSet();
    const [prod] = organizations;
    const db = server.database.organizationDb(brandVerifiedOrgId(prod?.id ?? ''), {
      kind: 'SYSTEM',
      id: null,
      name: 'x',
    });
    for (const change of [
      { region: 'eucentral' },
      { setId: null, base: null, project: null },
      { environment: 'QA' as const },
    ]) {
      await expect(db.organization.update({}, change)).rejects.toThrow();
    }
  });
});

describe('A set of an account', () => {
  const OWN = '{ currentOrganization { account { id acceptedAt } } }';
  const accountOf = async (client: Client, slug: string) =>
    (await client(OWN, {}, naming(slug))).data.currentOrganization?.account ?? null;
  const toldOf = async (slug: string) =>
    (
      await sql(
        `select e.action, e.actor_id from audit_entry e join organization o on o.id = e.org_id
         where o.slug = $1 and e.action like 'account_organization.%'`,
        [slug],
      )
    ).rows;

  async function givenAccount(administrator: Client): Promise<string> {
    const sam = await givenAdministrator(server);
    const { data } = await sam('mutation { createAccount(input: { name: "Agency" }) { id } }');
    const accountId = data.createAccount?.id ?? '';
    await sam('mutation ($a: ID!, $u: ID!) { addAccountAdministrator(accountId: $a, userId: $u) { id } }', {
      a: accountId,
      u: await personId(administrator),
    });
    return accountId;
  }

  const inputOf = (more: object) => ({
    name: 'Client',
    base: base() + 'x',
    project: 'p',
    regions: ['useast', 'eucentral'],
    environments: ['PROD', 'STAGING'],
    ...more,
  });

  test('belongs to it from the beginning, each of those that are here, which is told in their own record', async () => {
    const ann = await server.as(`${unique('ann')}@agency.example`);
    const accountId = await givenAccount(ann);
    const input = inputOf({ accountId });
    const { data, errors } = await ann(CREATE, { input });
    expect(errors).toEqual([]);
    const made = data.createOrganizationSet?.organizations ?? [];
    expect(made).toHaveLength(2);
    for (const { slug, viewerRole } of made) {
      expect(viewerRole).toBe('OWNER');
      expect(await accountOf(ann, slug)).toEqual({ id: accountId, acceptedAt: expect.any(String) });
      expect(await toldOf(slug)).toEqual([{ action: 'account_organization.created', actor_id: await personId(ann) }]);
    }
    expect((await ann(CREATE, { input })).data.createOrganizationSet).toEqual(data.createOrganizationSet);
  });

  test('is made by an administrator of it, and of nothing is anything left by whoever is none', async () => {
    const ann = await server.as(`${unique('ann')}@agency.example`);
    const accountId = await givenAccount(ann);
    const stranger = await server.as(`${unique('stranger')}@agency.example`);
    const input = inputOf({ accountId });
    expect(codeOf(await stranger(CREATE, { input }))).toBe('NOT_FOUND');
    expect(codeOf(await ann(CREATE, { input: { ...input, accountId: 'acc_nobody' } }))).toBe('NOT_FOUND');
    const { rows } = await sql('select from organization_set where base = $1', [input.base]);
    expect(rows).toEqual([]);
  });

  test('has what is added in it, too, where all of it is and an administrator adds; otherwise in none', async () => {
    const ann = await server.as(`${unique('ann')}@agency.example`);
    const accountId = await givenAccount(ann);
    const { data } = await ann(CREATE, { input: inputOf({ accountId, environments: ['PROD'] }) });
    const prod = data.createOrganizationSet?.organizations[0];
    if (!prod) throw new Error('no set');
    const extend = async (client: Client, environment: string) => {
      const input = { regions: ['useast'], environments: [environment] };
      expect((await client(EXTEND, { input }, naming(prod.slug))).errors).toEqual([]);
      return prod.slug.replace(/-prod$/, `-${environment.toLowerCase()}`);
    };
    const qa = await extend(ann, 'QA');
    expect(await accountOf(ann, qa)).toMatchObject({ id: accountId });
    expect(await toldOf(qa)).toHaveLength(1);
    // An OWNER who does not administer it gives it nothing.
    const email = `${unique('owner')}@acme.example`;
    for (const slug of [prod.slug, qa]) {
      const { rows } = await sql('select id from organization where slug = $1', [slug]);
      await givenMember(server, { id: brandVerifiedOrgId(rows[0].id), slug }, 'OWNER', { email });
    }
    const owner = await server.as(email);
    const dev = await extend(owner, 'DEV');
    expect([await accountOf(owner, dev), await toldOf(dev)]).toEqual([null, []]);
    // Now there is one in it that is in none.
    const { rows } = await sql('select id from organization where slug = $1', [dev]);
    await givenMember(server, { id: brandVerifiedOrgId(rows[0].id), slug: dev }, 'OWNER', { email: ann.email });
    expect(await accountOf(ann, await extend(ann, 'PERF'))).toBeNull();
  });

  test('has nothing added in it where it is only offered one', async () => {
    const { maker, organizations } = await givenSet(server, ['PROD']);
    const accountId = await givenAccount(maker);
    const slug = organizations[0]?.slug ?? '';
    const offer = 'mutation ($a: ID!) { offerOrganization(accountId: $a) { id } }';
    expect((await maker(offer, { a: accountId }, naming(slug))).errors).toEqual([]);
    await maker(EXTEND, { input: { regions: ['useast'], environments: ['QA'] } }, naming(slug));
    expect(await accountOf(maker, slug.replace(/-prod$/, '-qa'))).toBeNull();
  });
});

describe('extendOrganizationSet', () => {
  const add = (client: Client, slug: string, environments: string[], regions = ['useast']) =>
    client(EXTEND, { input: { regions, environments } }, naming(slug));

  test('adds what is not there yet, for who is OWNER in all of it', async () => {
    const { maker, base: name, organizations } = await givenSet();
    const slug = organizations[0]?.slug ?? '';
    const added = await add(maker, slug, ['PROD', 'QA'], ['useast', 'apsoutheast']);
    expect(added.errors).toEqual([]);
    expect(added.data.extendOrganizationSet?.organizations.map((each) => each.slug)).toEqual([
      `${name}-women-a-useast-prod`,
      `${name}-women-a-useast-qa`,
      `${name}-women-a-useast-staging`,
    ]);
    expect(added.data.extendOrganizationSet?.elsewhere.map((each) => each.slug)).toContain(
      `${name}-women-a-apsoutheast-qa`,
    );
    expect((await add(maker, slug, ['QA'])).errors).toEqual([]);
  });

  test('says which names cannot be given, and adds none of them', async () => {
    const { maker, base: name, organizations } = await givenSet();
    const slug = `${name}-women-a-useast-qa`;
    const other = await server.as(`${unique('other')}@other.example`);
    const make = 'mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { slug } }';
    expect((await other(make, { slug })).errors).toEqual([]);
    const refused = await add(maker, organizations[0]?.slug ?? '', ['DEV', 'QA']);
    expect([codeOf(refused), refused.errors[0]?.extensions['names']]).toMatchObject([
      'CONFLICT',
      [{ slug, problems: ['This slug is already taken.'] }],
    ]);
    expect(
      (await maker(SIBLINGS, {}, naming(organizations[0]?.slug ?? ''))).data.currentOrganization?.siblings,
    ).toHaveLength(1);
  });

  test('is FORBIDDEN in a session that reaches one organization only, as making any is', async () => {
    const { maker, organizations } = await givenSet(server, ['PROD']);
    const [only] = organizations;
    const bound = await givenBrowser(server, await personId(maker), { boundOrgId: only?.id ?? '' });
    const { access } = await bound.token();
    const refused = await add(server.withToken(access), only?.slug ?? '', ['QA']);
    expect(codeOf(refused)).toBe('FORBIDDEN');
  });

  test('is FORBIDDEN for an OWNER of one of them only, whatever they are in the others, and for an ADMIN', async () => {
    const { organizations } = await givenSet();
    const [prod, staging] = organizations.map(({ id, slug }) => ({ id: brandVerifiedOrgId(id), slug }));
    if (!prod || !staging) throw new Error('no set');
    const email = `${unique('half')}@acme.example`;
    const half = await givenMember(server, prod, 'OWNER', { email });
    expect(codeOf(await add(half, prod.slug, ['QA']))).toBe('FORBIDDEN');
    await givenMember(server, staging, 'ADMIN', { email });
    expect(codeOf(await add(half, prod.slug, ['QA']))).toBe('FORBIDDEN');
    expect(codeOf(await add(half, staging.slug, ['QA']))).toBe('FORBIDDEN');
    // Made OWNER of the other as well, it is theirs to do; suspended there, no more.
    await sql(`update membership set role = 'OWNER', status = 'SUSPENDED' where org_id = $1 and user_id = $2`, [
      staging.id,
      await personId(half),
    ]);
    expect(codeOf(await add(half, prod.slug, ['QA']))).toBe('FORBIDDEN');
    await sql(`update membership set status = 'ACTIVE' where org_id = $1 and user_id = $2`, [
      staging.id,
      await personId(half),
    ]);
    expect((await add(half, prod.slug, ['QA'])).errors).toEqual([]);
  });

  test('is BAD_USER_INPUT in an organization that is in no set', async () => {
    const acme = await givenOrganization(server);
    expect(codeOf(await add(acme.owner, acme.slug, ['QA']))).toBe('BAD_USER_INPUT');
  });
});

describe('The name of an organization that is homed elsewhere', () => {
  const CURRENT = '{ currentOrganization { slug } }';

  test('answers its maker ORG_IN_OTHER_REGION, wherever they name it, and everybody else as a name that nobody has', async () => {
    const { maker, base: name, organizations } = await givenSet();
    const there = `${name}-women-a-eucentral-prod`;
    const ask = (client: Client, slug: string) => [
      client(CURRENT, {}, naming(slug)),
      client('query ($slug: String) { organization(slug: $slug) { id } }', { slug }),
      client('mutation ($to: ID!) { switchOrganization(organizationId: $to) { token } }', { to: slug }),
    ];
    for (const answer of await Promise.all(ask(maker, there))) {
      expect(codeOf(answer)).toBe('ORG_IN_OTHER_REGION');
      expect(answer.errors[0]?.extensions).toHaveProperty('baseUrl', null);
    }
    const prod = organizations[0];
    if (!prod) throw new Error('no set');
    const organization = { id: brandVerifiedOrgId(prod.id), slug: prod.slug };
    const stranger = await server.as(`${unique('stranger')}@evil.example`);
    const admin = await server.as((await givenMember(server, organization, 'ADMIN')).email);
    for (const client of [stranger, admin]) {
      const unknown = await Promise.all(ask(client, unique('never')));
      for (const [index, answer] of (await Promise.all(ask(client, there))).entries()) {
        expect(codeOf(answer)).toBe('NOT_FOUND');
        expect(withoutRequestId(answer)).toBe(withoutRequestId(unknown[index] as never));
      }
    }
    const owner = await givenMember(server, organization, 'OWNER');
    expect(codeOf(await owner(CURRENT, {}, naming(there)))).toBe('ORG_IN_OTHER_REGION');
  });

  test('keeps nobody from it: whoever makes an organization of that name here has it', async () => {
    const { base: name } = await givenSet();
    const slug = `${name}-women-a-eucentral-prod`;
    const other = await server.as(`${unique('other')}@other.example`);
    const made = await other(
      'mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { slug } }',
      { slug },
    );
    expect(made.data.createOrganization).toEqual({ slug });
    expect((await other(CURRENT, {}, naming(slug))).data.currentOrganization).toEqual({ slug });
    // Whether it is taken there is known there only.
    const maker = await server.as(`${unique('maker')}@acme.example`);
    const input = { base: name, project: 'women-a', regions: ['eucentral'], environments: ['PROD'] };
    expect((await maker(CHECK, { input })).data.checkOrganizationNames).toMatchObject([{ slug, problems: [] }]);
  });
});

describe('checkOrganizationNames', () => {
  test('says what is wrong with each, and gives one that can be given', async () => {
    const { maker, base: name } = await givenSet();
    const input = { base: name, project: 'women-a', regions: ['useast'], environments: ['PROD', 'DEV'] };
    const { data } = await maker(CHECK, { input });
    const [prod, dev] = data.checkOrganizationNames ?? [];
    expect(prod).toMatchObject({ problems: ['This slug is already taken.'], limit: 63 });
    expect(dev).toMatchObject({
      slug: `${name}-women-a-useast-dev`,
      environment: 'DEV',
      problems: [],
      suggestion: null,
    });
    const made = await maker(
      'mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { slug } }',
      {
        slug: prod?.suggestion,
      },
    );
    expect(made.errors).toEqual([]);
  });

  test('has each region and environment once, however often and by whichever name it is given', async () => {
    const maker = await server.as(`${unique('maker')}@acme.example`);
    const regions = ['useast', 'us-east-1', 'useast'];
    const input = { base: base(), project: 'women-a', regions, environments: ['DEV', 'QA', 'DEV'] };
    const { data } = await maker(CHECK, { input });
    expect(data.checkOrganizationNames?.map(({ environment }) => environment)).toEqual(['DEV', 'QA']);
  });

  test('needs somebody who may make organizations', async () => {
    const input = { base: 'acme', project: 'p', regions: ['useast'], environments: [] };
    const body = JSON.stringify({ query: CHECK, variables: { input } });
    expect(codeOf(await server.post(body))).toBe('UNAUTHENTICATED');
    const acme = await givenOrganization(server);
    const { client } = await givenKey(server, acme.owner, ['organization:read']);
    expect(codeOf(await client(CHECK, { input }))).toBe('FORBIDDEN');
  });
});

describe('regions', () => {
  test('are those of the deployment, and say which is here', async () => {
    const someone = await server.as(`${unique('someone')}@acme.example`);
    const { data } = await someone('{ regions { tag cloudRegion baseUrl isHere } }');
    expect(data.regions).toEqual([
      { tag: 'useast', cloudRegion: 'us-east-1', baseUrl: server.url.replace('127.0.0.1', 'localhost'), isHere: true },
      { tag: 'eucentral', cloudRegion: 'eu-central-1', baseUrl: null, isHere: false },
      { tag: 'apsoutheast', cloudRegion: 'ap-southeast-2', baseUrl: null, isHere: false },
    ]);
    expect(codeOf(await server.post(JSON.stringify({ query: '{ regions { tag } }' })))).toBe('UNAUTHENTICATED');
  });
});

test('a set that has nothing here is made here by the same call with more: nobody is in it who could extend it', async () => {
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const input = {
    name: 'Acme',
    base: `${base()}y`,
    project: 'women-a',
    regions: ['eucentral'],
    environments: ['PROD'],
  };
  expect((await maker(CREATE, { input })).data.createOrganizationSet).toMatchObject({ organizations: [] });
  const more = { ...input, regions: ['useast', 'eucentral'] };
  const { data, errors } = await maker(CREATE, { input: more });
  expect(errors).toEqual([]);
  const slug = `${input.base}-women-a-useast-prod`;
  expect(data.createOrganizationSet).toMatchObject({ organizations: [{ slug }], elsewhere: [{ environment: 'PROD' }] });
  // From here on there is somebody, and the call says so.
  const again = await maker(CREATE, { input: { ...more, environments: ['PROD', 'QA'] } });
  expect(codeOf(again)).toBe('CONFLICT');
  // A name that somebody else has is told as taken, not as one of the set's own.
  const other = await server.as(`${unique('other')}@acme.example`);
  expect((await other(CREATE, { input })).errors).toEqual([]);
  const taken = await other(CREATE, { input: more });
  expect([codeOf(taken), taken.errors[0]?.extensions['names']]).toMatchObject(['CONFLICT', [{ slug }]]);
});

describe('Who made a set learns of what others add to it', () => {
  const givenOther = async () => {
    const { maker, input, organizations } = await givenSet(server, ['STAGING']);
    const [only] = organizations.map(({ id, slug }) => ({ id: brandVerifiedOrgId(id), slug }));
    if (!only) throw new Error('no set');
    const other = await givenMember(server, only, 'OWNER');
    const ask = async (regions: string[], environments: string[]) =>
      withoutRequestId(await maker(CREATE, { input: { ...input, regions, environments } }));
    const add = async (regions: string[], environments: string[]) =>
      expect((await other(EXTEND, { input: { regions, environments } })).errors).toEqual([]);
    return { maker, only, other, ask, add };
  };

  test('nothing, once they are removed: whatever they ask is answered by one CONFLICT, before and afterwards', async () => {
    const { maker, other, ask, add } = await givenOther();
    const remove = 'mutation ($userId: ID!) { removeMember(userId: $userId) { status } }';
    expect((await other(remove, { userId: await personId(maker) })).errors).toEqual([]);
    const asked: [string[], string[]][] = [
      [['useast', 'eucentral'], ['STAGING']],
      [['useast'], ['STAGING', 'QA']],
      [['useast', 'apsoutheast'], ['STAGING']],
      [['apsoutheast'], ['STAGING']],
      [['eucentral'], ['STAGING']],
    ];
    const all = () => Promise.all(asked.map(([regions, environments]) => ask(regions, environments)));
    const before = await all();
    await add(['apsoutheast'], ['STAGING']);
    await add(['useast'], ['QA']);
    const answers = [...before, ...(await all())];
    expect(answers.map((answer) => answer.includes('CONFLICT'))).not.toContain(false);
    expect(new Set(answers).size).toBe(1);
  });

  test('nothing of those that they are not in, while they are in another', async () => {
    const { ask, add } = await givenOther();
    const asked: [string[], string[]][] = [
      [['useast'], ['STAGING', 'QA']],
      [['useast'], ['QA']],
    ];
    const all = () => Promise.all(asked.map(([regions, environments]) => ask(regions, environments)));
    const before = await all();
    await add(['useast'], ['QA']);
    expect(before.map((answer) => answer.includes('CONFLICT'))).not.toContain(false);
    expect(await all()).toEqual(before);
    // What they are in they are answered, as before.
    expect(await ask(['useast'], ['STAGING'])).not.toContain('CONFLICT');
  });

  test('nothing of other regions either while they are in it: those who added there are told', async () => {
    const { ask, add } = await givenOther();
    const before = await ask(['apsoutheast'], ['STAGING']);
    await add(['apsoutheast'], ['STAGING']);
    expect([before.includes('CONFLICT'), await ask(['apsoutheast'], ['STAGING'])]).toEqual([true, before]);
    // What they had made themselves is there for them as before.
    expect(await ask(['useast', 'eucentral'], ['STAGING'])).not.toContain('CONFLICT');
  });
});

test('an account sees where each of its organizations is homed, and for what', async () => {
  const { maker, organizations } = await givenSet();
  const sam = await givenAdministrator(server);
  const made = await sam('mutation { createAccount(input: { name: "Agency" }) { id } }');
  const accountId = made.data.createAccount?.id ?? '';
  const userId = await personId(maker);
  await sam(
    'mutation ($accountId: ID!, $userId: ID!) { addAccountAdministrator(accountId: $accountId, userId: $userId) { id } }',
    { accountId, userId },
  );
  const offer = 'mutation ($accountId: ID!) { offerOrganization(accountId: $accountId) { id } }';
  for (const { slug } of organizations) expect((await maker(offer, { accountId }, naming(slug))).errors).toEqual([]);
  const region = '{ tag cloudRegion baseUrl isHere }';
  const look = `query ($id: ID!) {
    account(id: $id) { organizations(orderBy: { field: NAME, direction: ASC }) { nodes { region ${region} environment } } } }`;
  const here = { tag: 'useast', cloudRegion: 'us-east-1', baseUrl: expect.stringMatching(/^http/), isHere: true };
  expect((await maker(look, { id: accountId })).data.account?.organizations.nodes).toEqual([
    { region: here, environment: 'PROD' },
    { region: here, environment: 'STAGING' },
  ]);
});
