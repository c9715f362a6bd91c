import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { GraphQLObjectType } from 'graphql';
import { openAccounts } from '../../src/domains/account/outside.js';
import { domains } from '../../src/domains/index.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { openSessions } from '../../src/identity/sessions.js';
import { composeRecord } from '../../src/resource/record.js';
import { givenKey } from '../support/api-key.js';
import { claim, givenExecutor, startRun } from '../support/executors.js';
import { Browser } from '../support/browser.js';
import { startNameServer } from '../support/dns.js';
import { givenEverything, type GivenEverything } from '../support/given-everything.js';
import {
  givenAdministrator,
  givenHeldDomain,
  givenMember,
  givenOrganization,
  personId,
  unique,
} from '../support/given.js';
import { secretFor } from '../support/mail.js';
import { MUTATIONS } from '../support/mutations.js';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type OidcIdentityProvider,
  startOidcIdentityProvider,
} from '../support/oidc-identity-provider.js';
import { byTest } from '../support/act.js';
import { givenDirectory, type ScimClient } from '../support/scim.js';
import { type Client, useServer } from '../support/server.js';
import { givenBrowser, ownOrigin, renew } from '../support/sessions.js';

const { leaves } = composeRecord(domains);
const dns = await startNameServer();
const server = useServer({ env: { DNS_SERVERS: dns.address, RATE_LIMIT_SIGN_IN: 'off' } });
let idp: OidcIdentityProvider;
let acme: GivenEverything;
beforeAll(async () => {
  idp = await startOidcIdentityProvider();
  acme = await givenEverything(server, await givenOrganization(server));
  const { data } = await acme.owner('{ domains { nodes { record { name value } } } }');
  for (const { record } of data.domains.nodes) dns.zones.set(record.name, { txt: [record.value] });
});
afterAll(async () => {
  await dns.close();
  await idp.close();
});

interface Entry {
  readonly orgId: string;
  readonly action: string;
  readonly kind: string;
  readonly actor: string | null;
  readonly name: string | null;
  readonly address: string | null;
  readonly targetId: string;
  readonly changes: Readonly<Record<string, unknown>> | null;
}

/** What a request left, in whichever record. */
async function entriesOf(headers: Headers): Promise<Entry[]> {
  const { rows } = await server.database.pool.queryAsLoginRole(
    `select org_id as "orgId", action, actor_kind as kind, actor_id as actor, actor_name as name, address,
       target_id as "targetId", changes
     from audit_entry where request_id = $1 order by number`,
    [headers.get('x-request-id')],
  );
  return rows as Entry[];
}

/** One request that changes something. */
interface Write {
  readonly headers: Headers;
  /** Of whoever made it. */
  readonly actor: string;
  readonly orgId: string;
}

/** Done as an OWNER, where the shared text would change nothing, or there is none. */
const OTHERS: Readonly<Record<string, () => Promise<Write> | Write>> = {
  updateMemberPermissions: () =>
    byOwner(
      `updateMemberPermissions(userId: "${acme.viewerId}", permissions: [], withheldPermissions: ["run:read"]) { role }`,
    ),
  updateMemberRole: () => byOwner(`updateMemberRole(userId: "${acme.viewerId}", role: DEVELOPER) { role }`),
  decideApproval: async () => {
    const { id, inputHash } = await givenApproval();
    return byOwner(`decideApproval(input: { id: "${id}", decision: APPROVE, inputHash: "${inputHash}" }) { status }`);
  },
  cancelApproval: async () => byOwner(`cancelApproval(id: "${(await givenApproval()).id}") { status }`),
  recordRunProgress: () => byOwner(`recordRunProgress(id: "${acme.runId}", input: { status: RUNNING }) { id }`),
  resolveProvider: async () => {
    // By then the other has no agents any more.
    const globex = await givenOrganization(server, 'globex');
    await globex.owner(
      `mutation {
        createCredential(input: { kind: LLM_PROVIDER, name: "Models", provider: "models", secret: "x" }) { id }
        updateOrganization(input: { settings: { providerRouting: { llmPreference: "models" } } }) { id }
      }`,
    );
    await startRun(globex);
    const [{ token } = { token: '' }] = await claim(globex.owner);
    const { headers, errors } = await server.withToken(token)(
      'mutation { resolveProvider(input: { kind: LLM }) { name } }',
    );
    expect(errors).toEqual([]);
    return { headers, orgId: globex.id, actor: await personId(globex.owner) };
  },
  setDomainServing: async () => {
    const { id } = await givenHeldDomain(server, acme);
    return byOwner(`setDomainServing(id: "${id}", serving: true) { id }`);
  },
  setDomainJoining: () => byOwner(`setDomainJoining(id: "${acme.domainId}", joining: SUGGEST) { id }`),
  setNotificationPreferences: () =>
    byOwner('setNotificationPreferences(input: { preferences: [{ kind: ALERT, ways: [LIST] }] }) { kind }'),
  rotateApiKey: async () => {
    const { id } = await givenKey(server, acme.owner, ['run:read']);
    return byOwner(`rotateApiKey(id: "${id}") { secret }`);
  },
  revokeApiKey: async () => {
    const { id } = await givenKey(server, acme.owner, ['run:read']);
    return byOwner(`revokeApiKey(id: "${id}") { id }`);
  },
  acceptInvitation: async () => {
    const { client, secret } = await givenInvited();
    return by(client, `acceptInvitation(secret: "${secret}") { outcome }`, acme.id);
  },
  declineInvitation: async () => {
    const { client, secret } = await givenInvited();
    return by(client, `declineInvitation(secret: "${secret}") { outcome }`, acme.id);
  },
  requestNewInvitation: async () => {
    const { client, secret, email } = await givenInvited();
    await server.database.pool.queryAsLoginRole(`update invitation set expires_at = now() where email = $1`, [email]);
    return by(client, `requestNewInvitation(secret: "${secret}") { outcome }`, acme.id);
  },
  requestToJoin: async () => {
    const { name } = await givenHeldDomain(server, acme, { joining: 'SUGGEST', joiningRole: 'VIEWER' });
    return by(
      await server.as(`${unique('joe')}@${name}`),
      `requestToJoin(organizationId: "${acme.id}") { name }`,
      acme.id,
    );
  },
  leaveOrganization: async () => by(await givenMember(server, acme, 'VIEWER'), 'leaveOrganization { status }', acme.id),
  createOrganization: async () => {
    const slug = unique('made');
    const made = await by(acme.owner, `createOrganization(input: { name: "Made", slug: "${slug}" }) { id }`, '');
    const { rows } = await server.database.pool.queryAsLoginRole('select id from organization where slug = $1', [slug]);
    return { ...made, orgId: rows[0].id as string };
  },
  createOrganizationSet: async () => {
    const made = await by(acme.owner, `createOrganizationSet(input: ${await setInput()}) { id }`, '');
    return { ...made, orgId: await newestOf() };
  },
  setAgentCredentials: async () => {
    const { data } = await acme.owner(
      'mutation ($name: String!) { createCredential(input: { kind: AGENT, name: $name, provider: "x", secret: "x" }) { id } }',
      { name: unique('c') },
    );
    return byOwner(
      `setAgentCredentials(id: "${acme.agentId}", credentialIds: ["${data.createCredential?.id}"]) { id }`,
    );
  },
  extendOrganizationSet: async () => {
    await by(acme.owner, `createOrganizationSet(input: ${await setInput()}) { id }`, '');
    const at = { 'x-organization-id': await newestOf() };
    const text = 'mutation { extendOrganizationSet(input: { regions: ["useast"], environments: [QA] }) { id } }';
    const { headers, errors } = await acme.owner(text, {}, at);
    expect(errors).toEqual([]);
    return { headers, actor: await personId(acme.owner), orgId: await newestOf() };
  },
  promoteSettings: async () => {
    const other = await givenOrganization(server);
    await givenMember(server, other, 'ADMIN', { email: acme.owner.email });
    const settings = '{ branding: { displayName: "Promoted" } }';
    await other.owner(`mutation { updateOrganization(input: { settings: ${settings} }) { id } }`);
    return byOwner(
      `promoteSettings(input: { from: "${other.id}", paths: ["branding.displayName"] }) { changes { path } }`,
    );
  },
  setEntitlements: async () => {
    const sam = await givenAdministrator(server);
    const features = '[{ name: "webhooks", enabled: false }]';
    return by(sam, `setEntitlements(input: { organizationId: "${acme.id}", features: ${features} }) { id }`, acme.id);
  },
  startImpersonation: async () => {
    const userId = await personId(acme.admin);
    const input = `{ organizationId: "${acme.id}", userId: "${userId}", reason: "a ticket about runs" }`;
    return by(await givenAdministrator(server), `startImpersonation(input: ${input}) { expiresAt }`, acme.id);
  },
  registerExecutor: async () =>
    by(await givenAdministrator(server), `registerExecutor(input: { name: "${unique('executor')}" }) { token }`, ''),
  rotateExecutorToken: async () => {
    const { id, administrator } = await givenExecutor(server);
    return by(administrator, `rotateExecutorToken(id: "${id}") { token }`, '');
  },
  revokeExecutor: async () => {
    const { id, administrator } = await givenExecutor(server);
    return by(administrator, `revokeExecutor(id: "${id}") { id }`, '');
  },
  suspendOrganization: async () => {
    const { id } = await givenOrganization(server);
    return by(await givenAdministrator(server), `suspendOrganization(organizationId: "${id}", reason: "x") { id }`, id);
  },
  resumeOrganization: async () => {
    const { id } = await givenOrganization(server);
    await server.database.pool.queryAsLoginRole(`update organization set status = 'SUSPENDED' where id = $1`, [id]);
    return by(await givenAdministrator(server), `resumeOrganization(organizationId: "${id}") { id }`, id);
  },
  updateSubscription: async () =>
    by(
      await givenAdministrator(server),
      `updateSubscription(input: { organizationId: "${acme.id}", plan: TEAM }) { id }`,
      acme.id,
    ),
  createAccount: async () =>
    by(await givenAdministrator(server), 'createAccount(input: { name: "Agency" }) { id }', ''),
  addAccountAdministrator: async () => {
    const userId = await personId(acme.admin);
    const text = `addAccountAdministrator(accountId: "${acme.accountId}", userId: "${userId}") { id }`;
    return by(await givenAdministrator(server), text, '');
  },
  removeAccountAdministrator: async () => {
    const userId = await personId(await givenAccountAdministrator());
    const text = `removeAccountAdministrator(accountId: "${acme.accountId}", userId: "${userId}") { id }`;
    return by(await givenAdministrator(server), text, '');
  },
  acceptOrganization: async () => {
    const globex = await givenEverything(server, await givenOrganization(server));
    const ann = await givenAccountAdministrator(globex.accountId);
    return by(
      ann,
      `acceptOrganization(accountId: "${globex.accountId}", organizationId: "${globex.id}") { id }`,
      globex.id,
    );
  },
  setDefaultOrganization: () => by(acme.owner, `setDefaultOrganization(organizationId: "${acme.id}") { role }`, ''),
  rollbackSettings: () => byOwner('rollbackSettings(version: 1, expectedVersion: 2) { id }'),
  revokeSession: async () => {
    const { sessionId } = await givenBrowser(server, await personId(acme.owner));
    return by(acme.owner, `revokeSession(id: "${sessionId}")`, '');
  },
  signOut: async () => {
    const actor = await personId(acme.owner);
    const { headers } = await (await givenBrowser(server, actor))('mutation { signOut }');
    return { headers, actor, orgId: '' };
  },
  signOutEverywhere: async () => {
    await givenBrowser(server, await personId(acme.owner));
    return by(acme.owner, 'signOutEverywhere', '');
  },
};

async function givenAccountAdministrator(accountId = acme.accountId): Promise<Client> {
  const ann = await server.as(`${unique('ann')}@agency.example`);
  await server.database.outside(openAccounts).addAdministrator(accountId, await personId(ann), byTest);
  return ann;
}
const setInput = async () => {
  const project = unique('p');
  return `{ name: "Made", base: "acme", project: "${project}", regions: ["useast"], environments: [PROD] }`;
};
const newestOf = async (): Promise<string> => {
  const { rows } = await server.database.pool.queryAsLoginRole(
    `select o.id from organization o join membership m on m.org_id = o.id where m.user_id = $1 order by o.id desc limit 1`,
    [await personId(acme.owner)],
  );
  return rows[0].id as string;
};

const byOwner = (text: string) => by(acme.owner, text, acme.id);

async function by(client: Client, text: string, orgId: string): Promise<Write> {
  const { headers, errors } = await client(`mutation { ${text} }`);
  expect([text, errors]).toEqual([text, []]);
  return { headers, orgId, actor: await personId(client) };
}

async function givenInvited() {
  const email = `${unique('ivy')}@new.example`;
  await acme.owner('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', {
    input: { email, name: 'Ivy', role: 'VIEWER' },
  });
  return { email, client: await server.as(email), secret: await secretFor(server, email) };
}

/** What waits for the OWNER. */
async function givenApproval(): Promise<{ id: string; inputHash: string }> {
  const asking = async (kinds: string) =>
    acme.owner(`mutation { updateOrganization(input: { settings: { approval: { requireFor: [${kinds}] } } }) { id } }`);
  await asking('{ kind: EVERY_RUN }');
  const starter = await givenMember(server, acme, 'DEVELOPER');
  const { data: made } = await starter(
    'mutation ($name: String!) { createRepository(input: { name: $name, gitUrl: "https://git.example/r" }) { id } }',
    { name: unique('r') },
  );
  const { data } = await starter('mutation ($input: CreateAgentInput!) { createAgent(input: $input) { id } }', {
    input: { repositoryId: made.createRepository.id, name: unique('Waits') },
  });
  const started = await starter(
    'mutation ($input: StartRunInput!) { startRun(input: $input) { approval { id inputHash } } }',
    { input: { agentId: data.createAgent.id } },
  );
  await asking('');
  return started.data.startRun.approval as { id: string; inputHash: string };
}

describe('A mutation', () => {
  const names = Object.keys((createContract().schema.getMutationType() as GraphQLObjectType).getFields());
  const inOrder = [...Object.keys(MUTATIONS), ...Object.keys(OTHERS).filter((name) => !(name in MUTATIONS))];
  const changing = names.filter((name) => leaves.get(name) !== null);

  test('MUST be done here, unless it changes nothing', () => {
    const missing = changing.filter((name) => !inOrder.includes(name));
    expect(missing.map((name) => `do ${name} in MUTATIONS or OTHERS`)).toEqual([]);
  });

  // Who hands over ownership is no OWNER any more.
  const last = ['transferOwnership', 'leaveOrganization'];
  const ordered = [...inOrder.filter((name) => !last.includes(name) && leaves.get(name) !== null), ...last];
  test.each(ordered)('MUST leave who did it, and what, in the record that it concerns: %s', async (name) => {
    const said = leaves.get(name);
    const { headers, actor, orgId } = await (OTHERS[name] ?? (() => byOwner(MUTATIONS[name]?.text(acme) ?? '')))();
    const left = await entriesOf(headers);
    const entry = left.find(({ action }) => action === said?.action);
    if (!entry)
      throw new Error(`${name} leaves no ${said?.action}, but ${left.map(({ action }) => action).join(', ')}`);
    expect(entry).toMatchObject({ orgId, kind: 'PERSON', actor, name: expect.any(String), address: '127.0.0.1' });
    expect(entry.orgId === '').toBe(said?.of === 'deployment');
    // That they became known by their first request is the gateway's doing.
    const theirs = left.filter((each) => each.orgId === orgId);
    for (const each of theirs) expect([each.action, each.kind, each.actor]).toEqual([each.action, 'PERSON', actor]);
  });
});

/** The routes that write beside GraphQL. */
const ROUTES: Readonly<Record<string, string>> = {
  'post /Users': 'tried',
  'put /Users/:id': 'tried',
  'patch /Users/:id': 'tried',
  'delete /Users/:id': 'tried',
  'post /Groups': 'tried',
  'put /Groups/:id': 'tried',
  'patch /Groups/:id': 'tried',
  'delete /Groups/:id': 'tried',
  'post /auth/host': 'keeps that a host is known, and an attempt until the browser is back there',
  'post /auth/sign-out': 'ends a session, as the mutation does that is tried',
  'post /auth/token': 'tried',
  'post /auth/saml/:id/acs': 'keeps an attempt until the browser is back; from there on it is as by OIDC',
  'post /invitations/:name/:act': 'tried',
};

test('every route that writes MUST be tried here, or say why not', () => {
  const doors = new URL('../../src/gateway/', import.meta.url);
  const routes = readdirSync(doors, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^(scim|sign-in|pages)\/.*\.ts$/.test(file))
    .flatMap((file) => [
      ...readFileSync(new URL(file, doors), 'utf8').matchAll(/\.(post|put|patch|delete)(?:<[^(]*>)?\('(\/[^']*)'/g),
    ])
    .map(([, method, path]) => `${method} ${path}`);
  expect(routes.toSorted()).toEqual(Object.keys(ROUTES).toSorted());
});

describe('A directory', () => {
  let directory: ScimClient;
  let orgId: string;
  beforeAll(async () => {
    const globex = await givenOrganization(server, 'globex');
    orgId = globex.id;
    directory = await givenDirectory(server, globex);
  });
  const patch = (...Operations: object[]) => ({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations,
  });
  const user = async () =>
    (await directory('POST', '/Users', { userName: `${unique('jo')}@${directory.domain}` })).body.id as string;

  const leaves = async (method: string, path: string, body: object | undefined, ...actions: string[]) => {
    const answer = await directory(method, path, body);
    expect([method, path, answer.status < 300]).toEqual([method, path, true]);
    const left = (await entriesOf(answer.headers)).filter((entry) => entry.orgId === orgId);
    expect(left.map(({ action }) => action)).toEqual(expect.arrayContaining(actions));
    for (const each of left) {
      expect(each).toMatchObject({
        kind: 'DIRECTORY',
        actor: directory.id,
        name: expect.any(String),
        address: '127.0.0.1',
      });
    }
    return { answer, left };
  };

  test('MUST leave what it does to people', async () => {
    const userName = `${unique('jo')}@${directory.domain}`;
    const { answer } = await leaves('POST', '/Users', { userName }, 'scim_user.created', 'membership.created');
    const path = `/Users/${answer.body.id}`;
    await leaves('PUT', path, { userName, displayName: 'Jo' }, 'scim_user.updated', 'membership.updated');
    const off = patch({ op: 'replace', path: 'active', value: false });
    await leaves('PATCH', path, off, 'membership.suspended');
    await leaves('DELETE', path, undefined, 'membership.removed');
  });

  test('MUST leave who comes into a group, and who goes', async () => {
    const [jo, ann] = [await user(), await user()];
    const userIdOf = async (id: string): Promise<string> =>
      (await server.database.pool.queryAsLoginRole('select user_id from scim_user where id = $1', [id])).rows[0]
        .user_id as string;
    const group = { displayName: 'All', members: [{ value: jo }] };
    const { answer, left } = await leaves('POST', '/Groups', group, 'scim_group.created', 'scim_group.members_added');
    const path = `/Groups/${answer.body.id}`;
    expect(left.find(({ action }) => action === 'scim_group.members_added')).toMatchObject({
      targetId: answer.body.id,
      changes: { members: [null, [await userIdOf(jo)]] },
    });
    const swapped = { displayName: 'Some', members: [{ value: ann }] };
    const put = await leaves(
      'PUT',
      path,
      swapped,
      'scim_group.updated',
      'scim_group.members_added',
      'scim_group.members_removed',
    );
    expect(put.left.find(({ action }) => action === 'scim_group.members_removed')).toMatchObject({
      changes: { members: [[await userIdOf(jo)], null] },
    });
    await leaves(
      'PATCH',
      path,
      patch({ op: 'add', path: 'members', value: [{ value: jo }] }),
      'scim_group.members_added',
    );
    await leaves('DELETE', path, undefined, 'scim_group.deleted', 'scim_group.members_removed');
  });

  test('of a large group MUST be told whole, a hundred in an entry', async () => {
    const { body } = await directory('POST', '/Groups', { displayName: 'Large' });
    const db = server.database.pool;
    await db.queryAsLoginRole(
      `with given as (select 'scu_many' || n as scu, 'usr_many' || n as usr from generate_series(1, 250) n),
       members as (insert into membership (org_id, user_id, email, name, role, status)
         select $1, usr, usr || '@many.example', usr, 'VIEWER', 'ACTIVE' from given returning user_id)
       insert into scim_user (org_id, id, directory_id, user_id, user_name) select $1, scu, $2, usr, usr from given`,
      [orgId, directory.id],
    );
    const members = Array.from({ length: 250 }, (_, index) => ({ value: `scu_many${index + 1}` }));
    const add = patch({ op: 'add', path: 'members', value: members });
    const { left } = await leaves('PATCH', `/Groups/${body.id}`, add, 'scim_group.members_added');
    const told = left.filter(({ action }) => action === 'scim_group.members_added');
    const lists = told.map(({ changes }) => (changes as { members: [null, string[]] }).members[1]);
    expect(lists.map((list) => list.length).toSorted((a, b) => b - a)).toEqual([100, 100, 50]);
    expect(new Set(lists.flat()).size).toBe(250);
  });
});

describe('Signing in', () => {
  const home = () => server.url.replace('127.0.0.1', 'localhost');

  test('through an organization’s provider MUST stand in its record, and what belongs to none in the deployment’s', async () => {
    const globex = await givenOrganization(server, 'globex');
    await givenHeldDomain(server, globex, { name: `${globex.slug}.example` });
    const input = { name: 'Corporate', issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
    const made = 'mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }';
    expect((await globex.owner(made, { input })).errors).toEqual([]);
    const email = `${unique('jane')}@${globex.slug}.example`;
    idp.account = { sub: unique('subject'), email, email_verified: true, name: 'Jane' };
    await new Browser().visit(`${home()}/auth/${globex.slug}`);
    const { rows } = await server.database.pool.queryAsLoginRole(
      `select org_id as "orgId", action, actor_kind as kind, request_id is not null as asked, address from audit_entry
       where request_id = (select request_id from audit_entry where org_id = $1 and action = 'session.created')
       order by number`,
      [globex.id],
    );
    const asked = { asked: true, address: expect.any(String) };
    expect(rows).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ orgId: '', action: 'person.created', ...asked }),
        expect.objectContaining({ orgId: globex.id, action: 'membership.created', ...asked }),
        expect.objectContaining({ orgId: globex.id, action: 'session.created', kind: 'PERSON', ...asked }),
      ]),
    );
    expect(rows.filter(({ orgId, action }) => orgId === '' && action.startsWith('session'))).toEqual([]);
    expect(rows.every(({ orgId }) => orgId === '' || orgId === globex.id)).toBe(true);
  });

  test('into no one organization MUST stand in the deployment’s record only', async () => {
    const id = await personId(acme.viewer);
    const { sessionId } = await server.database
      .outside(openSessions)
      .start({ personId: id, provider: null, boundOrgId: null, userAgent: null, from: { requestId: unique('asked') } });
    const { rows } = await server.database.pool.queryAsLoginRole(
      'select org_id, action, actor_id from audit_entry where target_id = $1',
      [sessionId],
    );
    expect(rows).toEqual([{ org_id: '', action: 'session.created', actor_id: id }]);
  });

  test('with a token that was used before MUST leave that its session is over', async () => {
    const browser = await givenBrowser(server, await personId(acme.viewer));
    const { refresh } = await browser.token();
    const { refresh: next } = await renew(server, refresh);
    await renew(server, next);
    const { headers, status } = await renew(server, refresh);
    expect(status).toBe(401);
    expect(await entriesOf(headers)).toMatchObject([
      { orgId: '', action: 'session.ended', kind: 'SYSTEM', targetId: browser.sessionId, address: '127.0.0.1' },
    ]);
  });

  test.each(['accept', 'decline'])(
    'and pressing %s on an invitation’s page MUST be told of who pressed it',
    async (act) => {
      const { client, secret } = await givenInvited();
      const actor = await personId(client);
      const { header } = await givenBrowser(server, actor);
      const { headers, status } = await fetch(`${server.url}/invitations/${secret}/${act}`, {
        method: 'POST',
        body: '',
        headers: { 'content-type': 'application/x-www-form-urlencoded', origin: ownOrigin(server), ...header },
      });
      expect(status).toBe(200);
      const left = await entriesOf(headers);
      expect(left).toContainEqual(
        expect.objectContaining({
          orgId: acme.id,
          action: `invitation.${act === 'accept' ? 'accepted' : 'declined'}`,
          actor,
        }),
      );
    },
  );
});
