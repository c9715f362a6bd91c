import { afterAll, beforeAll, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { unique } from '../support/given.js';
import { codeOf, isPostgres, startServer, type TestServer } from '../support/server.js';
import { race } from './race.js';

const REGIONS = (of: { useast: string; eucentral: string }) =>
  `us-east-1 useast ${of.useast}, eu-central-1 eucentral ${of.eucentral}`;
const URLS = { useast: 'https://useast.orgate.example', eucentral: 'https://eucentral.orgate.example' };

const databases: string[] = [];
let useast: TestServer;
let eucentral: TestServer;

/** A deployment of its own: its database, its issuer, its region. */
async function deployment(region: string): Promise<TestServer> {
  const url = new URL(process.env['ORGATE_TEST_URL'] ?? '');
  const name = `region_${region}_${randomBytes(4).toString('hex')}`;
  await asAdmin(`create database ${name}`);
  databases.push(name);
  url.pathname = `/${name}`;
  return startServer({ databaseUrl: url.href, env: { REGION: region, REGIONS: REGIONS(URLS), PUBLIC_URL: '' } });
}

async function asAdmin(text: string): Promise<void> {
  const admin = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
  await admin.connect();
  try {
    await admin.query(text);
  } finally {
    await admin.end();
  }
}

if (isPostgres) {
  beforeAll(async () => {
    useast = await deployment('useast');
    eucentral = await deployment('eucentral');
  });
  afterAll(async () => {
    await useast?.close();
    await eucentral?.close();
    for (const name of databases) await asAdmin(`drop database ${name} with (force)`);
  });
}

const CREATE = `mutation ($input: CreateOrganizationSetInput!) { createOrganizationSet(input: $input) {
  organizations { slug region { tag baseUrl isHere } } elsewhere { slug region { tag baseUrl } } } }`;
const CURRENT = '{ currentOrganization { slug region { tag } } }';

race('the same call to each region makes what is homed there, and each knows the other’s by name alone', async () => {
  const base = unique('acme');
  const email = `${unique('maker')}@acme.example`;
  const input = {
    name: 'Acme',
    base,
    project: 'women-a',
    regions: ['us-east-1', 'eucentral'],
    environments: ['PROD', 'STAGING'],
  };
  const [east, central] = [await useast.as(email), await eucentral.as(email)];
  const named = (region: string) => [`${base}-women-a-${region}-prod`, `${base}-women-a-${region}-staging`];
  for (const [maker, here, there] of [
    [east, 'useast', 'eucentral'],
    [central, 'eucentral', 'useast'],
  ] as const) {
    for (const _again of [1, 2]) {
      const { data, errors } = await maker(CREATE, { input });
      expect(errors).toEqual([]);
      expect(data.createOrganizationSet).toEqual({
        organizations: named(here).map((slug) => ({ slug, region: { tag: here, baseUrl: URLS[here], isHere: true } })),
        elsewhere: named(there).map((slug) => ({ slug, region: { tag: there, baseUrl: URLS[there] } })),
      });
    }
  }
  for (const [server, maker, here, there] of [
    [useast, east, 'useast', 'eucentral'],
    [eucentral, central, 'eucentral', 'useast'],
  ] as const) {
    const [own = '', other = ''] = [named(here)[0], named(there)[0]];
    const inOwn = await maker(CURRENT, {}, { 'x-organization-id': own });
    expect(inOwn.data.currentOrganization).toEqual({ slug: own, region: { tag: here } });
    const refused = await maker(CURRENT, {}, { 'x-organization-id': other });
    expect(codeOf(refused)).toBe('ORG_IN_OTHER_REGION');
    expect(refused.errors[0]?.extensions['baseUrl']).toBe(URLS[there]);
    const stranger = await server.as(`${unique('stranger')}@evil.example`);
    expect(codeOf(await stranger(CURRENT, {}, { 'x-organization-id': other }))).toBe('NOT_FOUND');
    const { rows } = await server.database.pool.queryAsLoginRole(
      'select slug from organization where base = $1 order by slug',
      [base],
    );
    expect(rows.map(({ slug }) => slug)).toEqual(named(here));
  }
});

race('what is taken in one region keeps nobody from making the rest in the other', async () => {
  const base = unique('half');
  const maker = `${unique('maker')}@acme.example`;
  const input = { name: 'Half', base, project: 'p', regions: ['useast', 'eucentral'], environments: [] };
  const other = await eucentral.as(`${unique('other')}@other.example`);
  await other('mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { id } }', {
    slug: `${base}-p-eucentral`,
  });
  expect((await (await useast.as(maker))(CREATE, { input })).errors).toEqual([]);
  expect(codeOf(await (await eucentral.as(maker))(CREATE, { input }))).toBe('CONFLICT');
  const { rows } = await eucentral.database.pool.queryAsLoginRole('select from organization_set where base = $1', [
    base,
  ]);
  expect(rows).toEqual([]);
});
