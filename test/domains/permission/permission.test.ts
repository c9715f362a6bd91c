import { beforeAll, describe, expect, test } from '@jest/globals';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import { givenKey } from '../../support/api-key.js';
import { givenOrganization, type GivenOrganization, unique } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();
const LIST = '{ permissionCatalogue { name description roles aliases personsOnly } viewer { permissions } }';

interface Permission {
  name: string;
  description: string;
  roles: string[];
  aliases: string[];
  personsOnly: boolean;
}

let acme: GivenOrganization;
let listed: Permission[];

beforeAll(async () => {
  acme = await givenOrganization(server);
  listed = (await acme.viewer(LIST)).data.permissionCatalogue as Permission[];
});

const named = (name: string) => listed.find((permission) => permission.name === name);

describe('the catalogue of permissions', () => {
  test('has each permission once, by name, and says of each what it allows', () => {
    const names = listed.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(30);
    expect(names).toEqual([...new Set(names)].sort());
    for (const { name, description } of listed) {
      expect([name, description]).toEqual([name, expect.stringMatching(/^[A-Z][^.]+ [^.]+\.$/)]);
    }
    expect(new Set(listed.map(({ description }) => description)).size).toBe(listed.length);
  });

  test('says which roles hold each, as memberships do', async () => {
    for (const [role, client] of [
      ['OWNER', acme.owner],
      ['ADMIN', acme.admin],
      ['DEVELOPER', acme.developer],
      ['VIEWER', acme.viewer],
    ] as const) {
      const { permissionCatalogue, viewer } = (await client(LIST)).data;
      expect(permissionCatalogue).toEqual(listed);
      expect(listed.filter(({ roles }) => roles.includes(role)).map(({ name }) => name)).toEqual(viewer.permissions);
    }
    expect(named('run:start')?.roles).toEqual(['DEVELOPER', 'ADMIN', 'OWNER']);
  });

  test('has the aliases that are taken wherever a permission is named', async () => {
    expect(named('run:start')?.aliases).toEqual(['execute_agents']);
    expect(named('run:read')?.aliases).toEqual([]);
    const aliases = listed.flatMap((permission) => permission.aliases);
    expect(aliases).toEqual(['execute_agents', 'view_analytics']);
    const { data } = await acme.owner(
      `mutation ($permissions: [String!]!) {
        createApiKey(input: { name: "x", permissions: $permissions }) { apiKey { permissions } } }`,
      { permissions: aliases },
    );
    expect(data.createApiKey.apiKey.permissions).toEqual(['run:start', 'usage:read']);
  });

  test('says what gives a key nothing: nothing that it leaves to keys is closed to all of them', () => {
    const personsOnly = listed.filter((permission) => permission.personsOnly).map(({ name }) => name);
    expect(personsOnly).toEqual([
      'account:manage',
      'api-key:create',
      'billing:manage',
      'credential:manage',
      'identity-provider:manage',
      'organization:delete',
      'organization:export',
      'ownership:transfer',
      'scim:manage',
      'service-account:manage',
      'set:extend',
      'settings:promote',
      'slug:release',
      'support:manage',
      'webhook:manage',
    ]);
    const { access } = createContract();
    const rules = [...access.values()].flatMap((fields) => [...fields.values()]);
    for (const { name } of listed.filter((permission) => !permission.personsOnly)) {
      const opens = rules.filter(({ permission }) => permission === name).map((rule) => rule.name);
      expect([name, opens.some((rule) => !rule.startsWith('canAsPerson'))]).toEqual([name, true]);
    }
  });

  test('is read by whoever is signed in, also by a key and outside any organization, and by nobody else', async () => {
    const nowhere = await server.as(`${unique('nobody')}@nowhere.example`);
    const key = await givenKey(server, acme.owner, ['run:read']);
    const NAMES = '{ permissionCatalogue { name } }';
    for (const client of [nowhere, key.client]) {
      const { data, errors } = await client(NAMES);
      expect([errors, data.permissionCatalogue.length]).toEqual([[], listed.length]);
    }
    expect(codeOf(await server.post(JSON.stringify({ query: NAMES })))).toBe('UNAUTHENTICATED');
  });
});
