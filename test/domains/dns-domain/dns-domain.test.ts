import { afterAll, describe, expect, test } from '@jest/globals';
import { CHECK_DOMAIN } from '../../../src/domains/dns-domain/check-domain.js';
import { createFindTxt, FIND_TXT, type FindTxt } from '../../../src/egress/find-txt.js';
import { Parts } from '../../../src/parts.js';
import { startNameServer, type Zone } from '../../support/dns.js';
import {
  type GivenOrganization,
  givenMember,
  givenOrganization,
  givenTwoOrganizations,
  unique,
} from '../../support/given.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';
import { type DueReplica, openReplica, sendMailOf } from '../../support/due-work.js';
import { startMailServer } from '../../support/mail.js';
import { type Client, codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const dns = await startNameServer();
const smtp = await startMailServer();
const server = useServer({ env: { DNS_SERVERS: dns.address } });
afterAll(async () => {
  await dns.close();
  await smtp.close();
});

const FIELDS = 'id name status record { name value } lastCheck { at found problem } verifiedAt';
const ADD = `mutation ($name: String!) { addDomain(name: $name) { ${FIELDS} } }`;
const VERIFY = `mutation ($id: ID!) { verifyDomain(id: $id) { ${FIELDS} } }`;
const REMOVE = 'mutation ($id: ID!) { removeDomain(id: $id) }';
const LIST = `{ domains { totalCount nodes { ${FIELDS} } } }`;

interface GivenDomain {
  readonly id: string;
  readonly name: string;
  readonly record: { readonly name: string; readonly value: string };
}

async function givenDomain(client: Client, name = `${unique('acme')}.example`): Promise<GivenDomain> {
  const { data, text } = await client(ADD, { name });
  if (!data?.addDomain) throw new Error(text);
  return data.addDomain as GivenDomain;
}
const publish = ({ record }: GivenDomain, zone: Zone = { txt: [record.value] }) => dns.zones.set(record.name, zone);
const verify = async (client: Client, { id }: GivenDomain) => {
  const { data, text } = await client(VERIFY, { id });
  if (!data?.verifyDomain) throw new Error(text);
  return data.verifyDomain;
};
const holdersOf = async ({ name }: GivenDomain): Promise<string[]> =>
  (
    await server.database.pool.queryAsLoginRole(`select org_id from address where name = $1 and kind = 'DOMAIN'`, [
      name,
    ])
  ).rows.map((row) => row['org_id'] as string);

async function givenHeldDomain(organization: GivenOrganization, name?: string): Promise<GivenDomain> {
  const domain = await givenDomain(organization.admin, name);
  publish(domain);
  expect(await verify(organization.admin, domain)).toMatchObject({ status: 'VERIFIED' });
  return domain;
}

describe('Claiming a domain', () => {
  test('says what to publish, and holds nothing yet', async () => {
    const { admin } = await givenOrganization(server);
    const name = `${unique('acme')}.example`;
    const { data } = await admin(ADD, { name: ` ${name.toUpperCase()}. ` });
    expect(data.addDomain).toMatchObject({
      name,
      status: 'PENDING',
      record: {
        name: `_orgate-challenge.${name}`,
        value: expect.stringMatching(/^orgate-domain-verification=[0-9a-f]{40}$/),
      },
      lastCheck: null,
      verifiedAt: null,
    });
    expect(await holdersOf(data.addDomain)).toEqual([]);
    expect((await admin(LIST)).data.domains).toEqual({ totalCount: 1, nodes: [data.addDomain] });
    expect(
      (await admin('query ($id: ID!) { node(id: $id) { ... on Domain { name } } }', { id: data.addDomain.id })).data,
    ).toEqual({ node: { name } });
  });

  test('is refused for what no organization can own, by its argument and without repeating it', async () => {
    const { admin } = await givenOrganization(server);
    for (const name of ['gmail.com', 'co.uk', '127.0.0.1', 'localhost', 'printer.local', 'not a domain']) {
      const answer = await admin(ADD, { name });
      expect(codeOf(answer)).toBe('BAD_USER_INPUT');
      expect(answer.errors[0]?.extensions['argument']).toBe('name');
      expect(answer.text).not.toContain(name);
    }
  });

  test('twice in one organization is CONFLICT; two organizations may claim one domain', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const { name, record } = await givenDomain(acme.admin);
    expect(codeOf(await acme.admin(ADD, { name }))).toBe('CONFLICT');
    expect((await givenDomain(globex.admin, name)).record).not.toEqual(record);
  });

  test('ends at 100', async () => {
    const { id, admin } = await givenOrganization(server);
    await server.database.pool.queryAsLoginRole(
      `insert into organization_domain (org_id, id, name, challenge)
       select $1, 'dom_' || n, n || '.bulk.example', 'x' from generate_series(1, 100) n`,
      [id],
    );
    expect(codeOf(await admin(ADD, { name: 'one-more.example' }))).toBe('CONFLICT');
  });

  test('is for who holds domain:manage', async () => {
    const acme = await givenOrganization(server);
    const { id } = await givenDomain(acme.owner);
    const withheld = await givenMember(server, acme, 'ADMIN', { withheld: ['domain:manage'] });
    for (const client of [acme.developer, acme.viewer, withheld]) {
      expect(codeOf(await client(ADD, { name: 'acme.example' }))).toBe('FORBIDDEN');
      expect(codeOf(await client(VERIFY, { id }))).toBe('FORBIDDEN');
      expect(codeOf(await client(REMOVE, { id }))).toBe('FORBIDDEN');
    }
    expect(codeOf(await acme.developer(LIST))).toBe('FORBIDDEN');
    expect((await withheld(LIST)).data.domains.totalCount).toBe(1);
  });
});

describe('Verifying', () => {
  test('a published record makes the organization hold the domain', async () => {
    const acme = await givenOrganization(server);
    const domain = await givenDomain(acme.admin);
    publish(domain, { txt: ['v=spf1 -all', domain.record.value] });
    const verified = await verify(acme.admin, domain);
    expect(verified).toMatchObject({
      status: 'VERIFIED',
      verifiedAt: expect.any(String),
      lastCheck: { problem: null },
    });
    expect(verified.lastCheck.found.toSorted()).toEqual([domain.record.value, 'v=spf1 -all'].toSorted());
    expect(await holdersOf(domain)).toEqual([acme.id]);
  });

  test('follows an alias, and takes a record in pieces with space around it', async () => {
    const acme = await givenOrganization(server);
    const domain = await givenDomain(acme.admin);
    const { value } = domain.record;
    publish(domain, { cname: `proofs.${domain.name}` });
    dns.zones.set(`proofs.${domain.name}`, { txt: [[` ${value.slice(0, 30)}`, `${value.slice(30)} `]] });
    expect(await verify(acme.admin, domain)).toMatchObject({ status: 'VERIFIED' });
  });

  test.each<[string, Zone | undefined, string]>([
    ['a name that does not exist', undefined, 'NO_SUCH_NAME'],
    ['a name without a record', {}, 'NO_TXT_RECORD'],
    ['other records', { txt: ['orgate-domain-verification=somebody-else'] }, 'OTHER_VALUE'],
    ['a failing name server', { failure: 'SERVFAIL' }, 'SERVER_FAILURE'],
    ['a refusing name server', { failure: 'REFUSED' }, 'SERVER_FAILURE'],
    ['a silent name server', { failure: 'no answer' }, 'TIMEOUT'],
  ])('%s is told, and holds nothing', async (_name, zone, problem) => {
    const { admin } = await givenOrganization(server);
    const domain = await givenDomain(admin);
    if (zone) publish(domain, zone);
    expect(await verify(admin, domain)).toMatchObject({
      status: 'PENDING',
      lastCheck: { at: expect.any(String), found: zone?.txt ?? [], problem },
    });
    expect(await holdersOf(domain)).toEqual([]);
  });

  test('shows what strangers published cut and printable, 20 records at most', async () => {
    const { admin } = await givenOrganization(server);
    const domain = await givenDomain(admin);
    publish(domain, { txt: [['x'.repeat(255), 'y'], 'bell\u0007 nul\u0000', ...Array<string>(30).fill('z')] });
    const { lastCheck } = await verify(admin, domain);
    expect(lastCheck.found).toHaveLength(20);
    expect(lastCheck.found).toContain('x'.repeat(255));
    expect(lastCheck.found).toContain('bell\uFFFD nul\uFFFD');
  });

  test('the record of another organization proves nothing', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const theirs = await givenHeldDomain(acme);
    const own = await givenDomain(globex.admin, theirs.name);
    expect(await verify(globex.admin, own)).toMatchObject({ status: 'PENDING', lastCheck: { problem: 'OTHER_VALUE' } });
    expect(await holdersOf(own)).toEqual([acme.id]);
  });

  test('of several that proved a domain one holds it, and the next once it was given up', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const first = await givenHeldDomain(acme);
    const second = await givenDomain(globex.admin, first.name);
    publish(second, { txt: [first.record.value, second.record.value] });
    expect(await verify(globex.admin, second)).toMatchObject({
      status: 'PENDING',
      lastCheck: { problem: 'HELD_BY_ANOTHER' },
    });
    expect(await verify(acme.admin, first)).toMatchObject({ status: 'VERIFIED' });
    expect(await holdersOf(first)).toEqual([acme.id]);
    expect((await acme.admin(REMOVE, { id: first.id })).data).toEqual({ removeDomain: first.id });
    expect(await holdersOf(first)).toEqual([]);
    expect(await verify(globex.admin, second)).toMatchObject({ status: 'VERIFIED', lastCheck: { problem: null } });
    expect(await holdersOf(first)).toEqual([globex.id]);
    expect(codeOf(await acme.admin(VERIFY, { id: first.id }))).toBe('NOT_FOUND');
  });

  test('again, of a held domain whose record is gone, is no miss: only the daily check gives up', async () => {
    const acme = await givenOrganization(server);
    const domain = await givenHeldDomain(acme);
    publish(domain, {});
    for (let press = 0; press < 4; press += 1) {
      expect(await verify(acme.admin, domain)).toMatchObject({
        status: 'VERIFIED',
        lastCheck: { problem: 'NO_TXT_RECORD' },
      });
    }
    expect(await holdersOf(domain)).toEqual([acme.id]);
  });
});

describe('The daily check', () => {
  const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
  const recheck = (findTxt: FindTxt = createFindTxt([dns.address])): Promise<DueReplica> => {
    const replica = openReplica(server, { owed: [CHECK_DOMAIN], parts: new Parts().add(FIND_TXT, findTxt) });
    return replica.workOff().then(() => replica);
  };
  const isDueIn = async ({ id }: GivenDomain, ms: number): Promise<void> => {
    const { rowCount } = await sql(
      `update owed_work set due_at = due_at + $2 * interval '1 millisecond' where kind = 'domain-check' and subject like '%/' || $1`,
      [id, ms],
    );
    expect(rowCount).toBe(1);
  };
  /** Lets a day pass for this domain, and does what is due then. */
  async function dayPasses(domain: GivenDomain, of?: GivenOrganization): Promise<void> {
    await isDueIn(domain, -86_460_000);
    await recheck();
    if (of) await sendMailOf(server, of.id, smtp.url);
  }
  const mailsTo = ({ email }: Client) => smtp.received.filter(({ to }) => to?.[0]?.address === email);
  const look = async (client: Client) => (await client(LIST)).data.domains.nodes[0];

  test('lapses after three misses in a row, not two, and gives the domain up', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const domain = await givenHeldDomain(acme);
    for (const zone of [{}, { txt: ['other'] }]) {
      publish(domain, zone);
      await dayPasses(domain);
      expect(await look(acme.admin)).toMatchObject({ status: 'VERIFIED' });
    }
    publish(domain);
    await dayPasses(domain);
    for (const status of ['VERIFIED', 'VERIFIED', 'LAPSED']) {
      expect(await holdersOf(domain)).toEqual([acme.id]);
      dns.zones.delete(domain.record.name);
      await dayPasses(domain);
      expect(await look(acme.admin)).toMatchObject({ status, lastCheck: { problem: 'NO_SUCH_NAME' } });
    }
    expect(await holdersOf(domain)).toEqual([]);

    // Another may hold it now; and whoever let it lapse may have it back when it is free and published again.
    const second = await givenHeldDomain(globex, domain.name);
    publish(domain);
    expect(await verify(acme.admin, domain)).toMatchObject({
      status: 'LAPSED',
      lastCheck: { problem: 'HELD_BY_ANOTHER' },
    });
    await globex.admin(REMOVE, { id: second.id });
    expect(await verify(acme.admin, domain)).toMatchObject({ status: 'VERIFIED', lastCheck: { problem: null } });
  });

  test('has what served serve no more once it lapsed', async () => {
    const acme = await givenOrganization(server);
    const domain = await givenHeldDomain(acme);
    const serve = 'mutation ($id: ID!) { setDomainServing(id: $id, serving: true) { serving { enabled } } }';
    expect((await acme.admin(serve, { id: domain.id })).data.setDomainServing).toEqual({ serving: { enabled: true } });
    publish(domain, {});
    for (let day = 0; day < 3; day += 1) await dayPasses(domain);
    const { data } = await acme.admin('{ domains { nodes { status serving { enabled } } } }');
    expect(data.domains.nodes).toEqual([{ status: 'LAPSED', serving: { enabled: false } }]);
    // Proved again it serves once somebody says so.
    publish(domain);
    expect(await verify(acme.admin, domain)).toMatchObject({ status: 'VERIFIED' });
    const again = await acme.admin('{ domains { nodes { serving { enabled } } } }');
    expect(again.data.domains.nodes).toEqual([{ serving: { enabled: false } }]);
  });

  test('takes an outage of the name servers for no miss', async () => {
    const acme = await givenOrganization(server);
    const domain = await givenHeldDomain(acme);
    publish(domain, { failure: 'SERVFAIL' });
    for (let day = 0; day < 4; day += 1) await dayPasses(domain);
    expect(await look(acme.admin)).toMatchObject({ status: 'VERIFIED', lastCheck: { problem: 'SERVER_FAILURE' } });
  });

  test('tells every OWNER on the first miss of a row, and when the domain is given up', async () => {
    const acme = await givenOrganization(server);
    const second = await givenMember(server, acme, 'OWNER');
    const muted = await givenMember(server, acme, 'OWNER');
    await muted(
      `mutation ($input: SetNotificationPreferencesInput!) { setNotificationPreferences(input: $input) { kind } }`,
      { input: { preferences: [{ kind: 'ALERT', ways: ['LIST'] }] } },
    );
    const domain = await givenHeldDomain(acme);
    publish(domain, { failure: 'SERVFAIL' });
    await dayPasses(domain, acme);
    expect(mailsTo(acme.owner)).toEqual([]);
    publish(domain, {});
    const told: number[] = [];
    for (let day = 0; day < 3; day += 1) {
      await dayPasses(domain, acme);
      told.push(mailsTo(acme.owner).length);
    }
    expect(told).toEqual([1, 1, 2]);
    expect(mailsTo(acme.owner).map(({ subject }) => subject)).toEqual([
      `The DNS record that proves ${domain.name} is gone`,
      `acme Inc. no longer holds ${domain.name}`,
    ]);
    for (const { text } of mailsTo(second)) {
      for (const part of [domain.record.name, domain.record.value, domain.id]) expect(text).toContain(part);
    }
    expect(mailsTo(second)).toHaveLength(2);
    for (const client of [acme.admin, muted]) expect(mailsTo(client)).toEqual([]);
    for (const client of [acme.owner, second, muted]) {
      const { data } = await client('{ notifications { nodes { kind text targetId } } }');
      expect(data.notifications.nodes).toEqual([
        { kind: 'ALERT', text: `acme Inc. no longer holds ${domain.name}`, targetId: domain.id },
        { kind: 'ALERT', text: `The DNS record that proves ${domain.name} is gone`, targetId: domain.id },
      ]);
    }
  });

  test('comes once a day, and to those that are held', async () => {
    const acme = await givenOrganization(server);
    const domain = await givenHeldDomain(acme);
    const pending = await givenDomain(acme.admin);
    await dayPasses(domain);
    dns.asked.length = 0;
    await recheck();
    expect(dns.asked).not.toContain(domain.record.name);
    expect(dns.asked).not.toContain(pending.record.name);
  });

  test('of one domain that fails leaves the others checked', async () => {
    const acme = await givenOrganization(server);
    const [bad, good] = [await givenHeldDomain(acme), await givenHeldDomain(acme)];
    for (const each of [bad, good]) await isDueIn(each, -86_460_000);
    const real = createFindTxt([dns.address]);
    const { ended } = await recheck((name) =>
      name === bad.record.name ? Promise.reject(new Error('broken')) : real(name),
    );
    expect(ended.filter(({ outcome }) => outcome === 'failed')).toHaveLength(1);
    const { rows } = await sql(
      `select split_part(subject, '/', 2) as id, attempts from owed_work where split_part(subject, '/', 2) = any ($1)`,
      [[bad.id, good.id]],
    );
    expect(new Map(rows.map((row) => [row['id'], row['attempts']]))).toEqual(
      new Map([
        [bad.id, 1],
        [good.id, 0],
      ]),
    );
  });

  test('goes on of a suspended organization, whose domain others wait for', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const domain = await givenHeldDomain(acme);
    const other = await givenDomain(globex.admin, domain.name);
    await sql(`update organization set status = 'SUSPENDED' where id = $1`, [acme.id]);
    publish(domain, { txt: [other.record.value] });
    for (let day = 0; day < 3; day += 1) await dayPasses(domain);
    expect(await holdersOf(domain)).toEqual([]);
    expect(await verify(globex.admin, other)).toMatchObject({ status: 'VERIFIED' });
  });

  test('of a domain that is held no longer is over', async () => {
    const acme = await givenOrganization(server);
    const domain = await givenHeldDomain(acme);
    await acme.admin(REMOVE, { id: domain.id });
    await dayPasses(domain);
    const left = await sql(`select from owed_work where subject like '%/' || $1`, [domain.id]);
    expect(left.rowCount).toBe(0);
  });
});

describe('What holds in the database, whatever the program does', () => {
  const inside = async (organization: GivenOrganization) => server.database.organizationDb(organization.id, byTest);

  test('the slug in use is not given up inside an organization, and a domain never renamed', async () => {
    const acme = await givenOrganization(server);
    const { name } = await givenHeldDomain(acme);
    const db = await inside(acme);
    expect(await db.address.delete({ name: acme.slug })).toBe(0);
    await expect(db.address.update({ name }, { name: `other-${name}` })).rejects.toThrow();
    expect((await db.address.list({ orderBy: { name: 'asc' }, take: 9 })).map((row) => row.name).toSorted()).toEqual(
      [acme.slug, name].toSorted(),
    );
  });

  test('VERIFIED without holding the address cannot be', async () => {
    const acme = await givenOrganization(server);
    const { id, name } = await givenDomain(acme.admin);
    const db = await inside(acme);
    await expect(db.organizationDomain.update({ id }, { status: 'VERIFIED' })).rejects.toThrow();
    await expect(db.organizationDomain.update({ id }, { status: 'VERIFIED', heldName: name })).rejects.toThrow();
    const held = await givenHeldDomain(acme);
    await expect(db.address.delete({ name: held.name })).rejects.toThrow();
  });

  test('a domain leads into no organization where a slug is asked for', async () => {
    const acme = await givenOrganization(server);
    const { name } = await givenHeldDomain(acme);
    const SWITCH = 'mutation ($id: ID!) { switchOrganization(organizationId: $id) { token } }';
    expect(codeOf(await acme.owner(SWITCH, { id: name }))).toBe('NOT_FOUND');
    expect(codeOf(await acme.owner('{ viewer { role } }', {}, { 'x-organization-id': name }))).toBe('NOT_FOUND');
  });
});

const theirs = {
  foreign: async ({ admin }: Target) => (await givenDomain(admin)).id,
  unknown: never('dom'),
  variables: (id: string) => ({ id }),
};

describeIsolation({
  'Mutation.addDomain.name': {
    query: 'mutation ($name: String!) { addDomain(name: $name) { name status } }',
    foreign: async (acme) => (await givenDomain(acme.admin, `${never('dom')().replace('_', '-')}.example`)).name,
    unknown: () => `${never('dom')().replace('_', '-')}.example`,
    variables: (name) => ({ name }),
    names: true,
  },
  'Mutation.verifyDomain.id': { query: VERIFY, ...theirs },
  'Mutation.removeDomain.id': { query: REMOVE, ...theirs },
  'Mutation.setDomainServing.id': {
    query: 'mutation ($id: ID!) { setDomainServing(id: $id, serving: false) { id } }',
    ...theirs,
  },
  'Query.domains.after': fromCursor('after', 'domains', 'domains NAME ASC', 'a'),
  'Query.domains.before': fromCursor('before', 'domains', 'domains NAME ASC', 'a'),
});
