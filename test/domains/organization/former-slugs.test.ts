import { describe, expect, test } from '@jest/globals';
import { jobs } from '../../../src/domains/organization/jobs.js';
import { openIdentityProviders } from '../../../src/domains/identity-provider/outside.js';
import { givenKey } from '../../support/api-key.js';
import {
  type GivenOrganization,
  givenOrganization,
  givenProvider,
  givenTwoOrganizations,
  unique,
} from '../../support/given.js';
import { type Client, codeOf, useServer, withoutRequestId } from '../../support/server.js';

const server = useServer();

const DAY_MS = 86_400_000;
const RENAME = 'mutation ($slug: String) { updateOrganization(input: { slug: $slug }) { slug } }';
const RELEASE = 'mutation ($slug: String!) { releaseSlug(slug: $slug) { slug } }';
const CREATE = 'mutation ($slug: String!) { createOrganization(input: { name: "New", slug: $slug }) { slug } }';
const FORMER = '{ currentOrganization { slug formerSlugs { slug givenUpAt leadsUntil heldUntil } } }';
const CURRENT = '{ currentOrganization { id slug } }';

const pass = (days: number) => server.database.pool.clock.advance(days * DAY_MS);
const naming = (slug: string) => ({ 'x-organization-id': slug });
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

/** An organization, and the slug that it had before. */
async function givenRenamed(): Promise<GivenOrganization & { former: string; slugNow: string }> {
  const acme = await givenOrganization(server);
  const slugNow = unique('renamed');
  expect((await acme.admin(RENAME, { slug: slugNow })).data.updateOrganization).toEqual({ slug: slugNow });
  return { ...acme, former: acme.slug, slugNow };
}

const formerOf = async (client: Client): Promise<string[]> =>
  (await client(FORMER)).data.currentOrganization.formerSlugs.map(({ slug }) => slug);

describe('A slug that was given up', () => {
  test('leads to its organization wherever one is named, and answers carry the new one', async () => {
    const { viewer, owner, id, former, slugNow } = await givenRenamed();
    const organization = { id, slug: slugNow };
    // The clients of `acme` hold tokens whose claim is the former slug.
    expect((await viewer(CURRENT)).data.currentOrganization).toEqual(organization);
    expect((await viewer(CURRENT, {}, naming(former))).data.currentOrganization).toEqual(organization);
    expect((await viewer(CURRENT, {}, { ...naming(former), 'x-tenant-id': slugNow })).errors).toEqual([]);
    const found = await viewer('query ($slug: String) { organization(slug: $slug) { id slug } }', { slug: former });
    expect(found.data.organization).toEqual(organization);
    const switched = await viewer(
      'mutation ($to: ID!) { switchOrganization(organizationId: $to) { currentOrganization { id slug } } }',
      { to: former },
    );
    expect(switched.data.switchOrganization?.currentOrganization).toEqual(organization);
    const { client } = await givenKey(server, owner, ['organization:read']);
    expect((await client(CURRENT, {}, naming(former))).data.currentOrganization).toEqual(organization);
    const stream = await fetch(`${new URL(server.url).origin}/organizations/${former}/audit`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${owner.token}` },
    });
    expect(stream.status).toBe(200);
  });

  test('leads to the sign-in of its organization', async () => {
    const acme = await givenRenamed();
    const { id } = await givenProvider(server, acme);
    const offered = await server.database.outside(openIdentityProviders).listOffered(acme.former);
    expect(offered).toEqual([{ id, name: 'Corporate' }]);
  });

  test('is nobody else’s: foreign, former and in use are refused alike, and lead a stranger nowhere', async () => {
    const { former, slugNow } = await givenRenamed();
    const globex = await givenOrganization(server, 'globex');
    for (const slug of [former, slugNow]) {
      for (const refused of [await globex.owner(CREATE, { slug }), await globex.admin(RENAME, { slug })]) {
        expect(codeOf(refused)).toBe('CONFLICT');
        expect(refused.errors[0]).toMatchObject({
          message: 'This slug is already taken.',
          extensions: { argument: 'input.slug' },
        });
      }
    }
    const [unknown, ...named] = await Promise.all(
      [unique('never'), former, slugNow].map((slug) => globex.owner(CURRENT, {}, naming(slug))),
    );
    for (const each of named) expect(withoutRequestId(each)).toBe(withoutRequestId(unknown as never));
    const { client } = await givenKey(server, globex.owner, ['organization:read']);
    for (const slug of [former, unique('never')]) {
      expect(codeOf(await client(CURRENT, {}, naming(slug)))).toBe('ORG_CONTEXT_CONFLICT');
    }
  });

  test('stands in formerSlugs, and its organization may go back to it', async () => {
    const { admin, viewer, former, slugNow } = await givenRenamed();
    const { data } = await viewer(FORMER);
    const [only, ...others] = data.currentOrganization.formerSlugs;
    expect(others).toEqual([]);
    expect(only?.slug).toBe(former);
    const [givenUp, leads, held] = [only?.givenUpAt, only?.leadsUntil, only?.heldUntil].map((at) =>
      Date.parse(String(at)),
    );
    expect([Number(leads) - Number(givenUp), Number(held) - Number(givenUp)]).toEqual([90 * DAY_MS, 180 * DAY_MS]);
    expect((await admin(RENAME, { slug: former })).data.updateOrganization).toEqual({ slug: former });
    expect(await formerOf(viewer)).toEqual([slugNow]);
  });

  test('is no more than twenty, and may be released for one more', async () => {
    const acme = await givenOrganization(server);
    const slugs = Array.from({ length: 21 }, () => unique('again'));
    for (const slug of slugs.slice(0, 20)) expect((await acme.admin(RENAME, { slug })).errors).toEqual([]);
    const refused = await acme.admin(RENAME, { slug: slugs[20] });
    expect(refused.errors[0]).toMatchObject({
      message: 'An organization holds at most 20 former slugs: release one.',
      extensions: { code: 'CONFLICT', argument: 'input.slug' },
    });
    expect((await acme.admin(RENAME, { slug: slugs[0] })).errors).toEqual([]); // which makes none more
    expect((await acme.owner(RELEASE, { slug: acme.slug }, naming(acme.id))).errors).toEqual([]);
    expect((await acme.admin(RENAME, { slug: slugs[20] }, naming(acme.id))).errors).toEqual([]);
  });
});

describe('releaseSlug', () => {
  test('gives a former slug back at once: it leads nowhere, anyone may take it, and the record tells', async () => {
    const { owner, id, former, slugNow } = await givenRenamed();
    const globex = await givenOrganization(server, 'globex');
    expect((await owner(RELEASE, { slug: former }, naming(id))).data.releaseSlug).toEqual({ slug: slugNow });
    expect(codeOf(await owner(CURRENT, {}, naming(former)))).toBe('NOT_FOUND');
    expect(await formerOf(await server.as(owner.email, id))).toEqual([]);
    expect((await globex.owner(CREATE, { slug: former })).data.createOrganization).toEqual({ slug: former });
    const { rows } = await sql(
      `select actor_kind, target_id, changes from audit_entry where org_id = $1 and action = 'organization.slug_released'`,
      [id],
    );
    expect(rows).toEqual([{ actor_kind: 'PERSON', target_id: id, changes: { slug: [former, null] } }]);
  });

  test('finds nothing but a former slug of the current organization', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const other = await givenRenamed();
    for (const slug of [acme.slug, globex.slug, other.former, unique('never'), 'acme.example', '']) {
      const refused = await acme.owner(RELEASE, { slug });
      expect([slug, codeOf(refused)]).toEqual([slug, 'NOT_FOUND']);
    }
    expect((await acme.viewer(CURRENT)).data.currentOrganization?.slug).toBe(acme.slug);
    expect(await formerOf(other.viewer)).toEqual([other.former]);
  });

  test('is for OWNERs, and for no key of theirs', async () => {
    const { admin, owner, former, viewer, id } = await givenRenamed();
    expect((await admin(RELEASE, { slug: former })).errors[0]?.extensions).toMatchObject({
      code: 'FORBIDDEN',
      requiredPermission: 'slug:release',
    });
    const { client } = await givenKey(server, owner, ['organization:read', 'slug:release']).catch(() => ({
      client: null,
    }));
    if (client) expect(codeOf(await client(RELEASE, { slug: former }))).toBe('FORBIDDEN');
    expect(await formerOf(await server.as(viewer.email, id))).toEqual([former]);
  });
});

// Time only passes, so this comes last.
describe('With time, a slug that was given up', () => {
  test('leads nowhere after 90 days, is untakeable for as long again, and then anyone’s', async () => {
    const acme = await givenRenamed();
    const other = await givenRenamed();
    const forgotten = await givenRenamed();
    const globex = await givenOrganization(server, 'globex');
    const anew = (organization: GivenOrganization) => server.as(organization.owner.email, organization.id);
    pass(89);
    expect((await acme.owner(CURRENT, {}, naming(acme.former))).errors).toEqual([]);
    pass(2);
    const [lapsed, never] = [
      await acme.owner(CURRENT, {}, naming(acme.former)),
      await acme.owner(CURRENT, {}, naming(unique('never'))),
    ];
    expect(codeOf(lapsed)).toBe('NOT_FOUND');
    expect(withoutRequestId(lapsed)).toBe(withoutRequestId(never));
    expect(await formerOf(await anew(acme))).toEqual([acme.former]);
    for (const slug of [acme.former, other.former]) {
      expect(codeOf(await globex.owner(CREATE, { slug }))).toBe('CONFLICT');
      expect(codeOf(await globex.admin(RENAME, { slug }))).toBe('CONFLICT');
    }
    pass(88);
    expect(codeOf(await globex.owner(CREATE, { slug: acme.former }))).toBe('CONFLICT');
    pass(2);
    expect(await formerOf(await anew(acme))).toEqual([]);
    expect((await globex.owner(CREATE, { slug: acme.former })).data.createOrganization).toEqual({ slug: acme.former });
    expect((await globex.admin(RENAME, { slug: other.former })).errors).toEqual([]);
    await jobs[0]?.run(server.database as never, new AbortController().signal);
    const { rows } = await sql('select name, org_id from address where name = any ($1)', [
      [acme.former, other.former, forgotten.former],
    ]);
    expect(rows.map(({ name }) => String(name)).toSorted()).toEqual([acme.former, other.former].toSorted());
    expect(rows.some(({ org_id }) => org_id === acme.id || org_id === other.id)).toBe(false);
  });
});
