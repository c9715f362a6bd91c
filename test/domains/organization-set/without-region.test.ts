import { describe, expect, test } from '@jest/globals';
import { readConfig } from '../../../src/config/config.js';
import { givenOrganization, unique } from '../../support/given.js';
import { PRODUCTION } from '../../support/production.js';
import { codeOf, startServer, useServer } from '../../support/server.js';

const REGIONS = 'us-east-1 useast https://useast.example, eu-central-1 eucentral';
// As it comes: nobody said where it is.
const server = useServer({ env: { ...PRODUCTION, REGIONS } });

const CREATE = `mutation ($input: CreateOrganizationSetInput!) { createOrganizationSet(input: $input) { organizations { slug } } }`;
const HOME = `{ currentOrganization { slug region { tag isHere baseUrl } environment set { name } siblings { slug } } }`;
const input = () => ({ name: 'Acme', base: unique('acme'), project: 'p', regions: ['useast'], environments: [] });
const naming = (slug: string) => ({ 'x-organization-id': slug });

test('REGION is assumed where orgate is tried out, and nowhere else', () => {
  expect(readConfig({ REGIONS }).regions.here).toMatchObject({ tag: 'useast' });
  expect(readConfig({ NODE_ENV: 'test', REGIONS }).regions.here).toMatchObject({ tag: 'useast' });
  const AUTH_ISSUERS = JSON.stringify([
    { issuer: 'https://id.example', jwksUri: 'https://id.example/jwks', audience: 'orgate' },
  ]);
  expect(readConfig({ ...PRODUCTION, AUTH_ISSUERS, REGIONS }).regions).toMatchObject({
    all: [{ tag: 'useast' }, { tag: 'eucentral' }],
    here: null,
  });
});

describe('A deployment that nobody told its region', () => {
  test('lists the regions, none of which it is, and has organizations of none', async () => {
    const acme = await givenOrganization(server);
    const { data, errors } = await acme.viewer('{ regions { tag cloudRegion baseUrl isHere } }');
    expect(errors).toEqual([]);
    expect(data.regions).toEqual([
      { tag: 'useast', cloudRegion: 'us-east-1', baseUrl: 'https://useast.example', isHere: false },
      { tag: 'eucentral', cloudRegion: 'eu-central-1', baseUrl: null, isHere: false },
    ]);
    expect((await acme.viewer(HOME)).data.currentOrganization).toEqual({
      slug: acme.slug,
      region: null,
      environment: null,
      set: null,
      siblings: [],
    });
  });

  test('makes no set and keeps no name of one, and says why', async () => {
    const maker = await server.as(`${unique('maker')}@acme.example`);
    const wanted = input();
    const refused = await maker(CREATE, { input: wanted });
    expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'input.regions']);
    expect(refused.errors[0]?.message).toContain('Nobody told this deployment');
    const { rows } = await server.database.pool.queryAsLoginRole(
      `select base from organization_set where base = $1 union all
       select slug from organization_elsewhere where slug like $1 || '-%' union all
       select slug from organization where slug like $1 || '-%'`,
      [wanted.base],
    );
    expect(rows).toEqual([]);
    expect(codeOf(await maker(HOME, {}, naming(`${wanted.base}-p-useast`)))).toBe('NOT_FOUND');
  });

  test('goes on with the sets of before, adds to none, and still says what is homed elsewhere', async () => {
    const email = `${unique('maker')}@acme.example`;
    const wanted = { ...input(), regions: ['useast', 'eucentral'] };
    const before = await startServer({ env: { REGIONS, REGION: 'useast' } });
    const [slug, there] = [`${wanted.base}-p-useast`, `${wanted.base}-p-eucentral`];
    try {
      expect((await (await before.as(email))(CREATE, { input: wanted })).errors).toEqual([]);
    } finally {
      await before.close();
    }
    const maker = await server.as(email);
    expect((await maker(HOME, {}, naming(slug))).data.currentOrganization).toMatchObject({
      slug,
      region: { tag: 'useast', isHere: false, baseUrl: 'https://useast.example' },
      set: { name: 'Acme' },
    });
    const extend = `mutation { extendOrganizationSet(input: { regions: ["useast"], environments: [QA] }) { id } }`;
    expect(codeOf(await maker(extend, {}, naming(slug)))).toBe('BAD_USER_INPUT');
    expect(codeOf(await maker(CREATE, { input: wanted }))).toBe('BAD_USER_INPUT');
    expect(codeOf(await maker(HOME, {}, naming(there)))).toBe('ORG_IN_OTHER_REGION');
    const stranger = await server.as(`${unique('stranger')}@evil.example`);
    expect(codeOf(await stranger(HOME, {}, naming(there)))).toBe('NOT_FOUND');
  });
});
