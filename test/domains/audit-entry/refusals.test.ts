import { hash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { Act } from '../../../src/data/connection/act.js';
import { brandOrgId, newId, type OrgId } from '../../../src/data/id.js';
import { Refusals } from '../../../src/domains/audit-entry/refusals.js';
import { domains } from '../../../src/domains/index.js';
import { OrgateError } from '../../../src/errors.js';
import { composeRecord } from '../../../src/resource/record.js';
import { givenKey } from '../../support/api-key.js';
import { givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { givenImpersonation } from '../../support/impersonation.js';
import { eventually } from '../../support/mail.js';
import { givenDirectory } from '../../support/scim.js';
import { type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer({ scheduled: true });

const CREATE = 'mutation ($input: CreateRepositoryInput!) { createRepository(input: $input) { id } }';
const input = { name: 'x', gitUrl: 'https://git.example/x.git' };
const REFUSED = `{ auditLog(first: 50, filter: { outcome: REFUSED }) { nodes {
  action outcome reason targetType targetId requestId address onBehalfOf actor { kind id name } changes { path } sequence } } }`;

/** Once as many are there, and written. */
const refused = (admin: Client, count: number) =>
  eventually(async () => {
    const { nodes } = (await admin(REFUSED)).data.auditLog;
    return nodes.length >= count ? nodes : undefined;
  });

test('what a rule refuses is told once a minute, of who and what, and is sealed as all else', async () => {
  const { admin, viewer } = await givenOrganization(server);
  const asked = await viewer(CREATE, { input });
  for (let times = 0; times < 20; times += 1) expect(codeOf(await viewer(CREATE, { input }))).toBe('FORBIDDEN');
  for (let times = 0; times < 3; times += 1) await viewer('{ auditLog { totalCount } }');
  const nodes = await refused(admin, 2);
  const actor = { kind: 'PERSON', id: await personId(viewer), name: expect.stringMatching(/^VIEWER of /) };
  const alike = { outcome: 'REFUSED', actor, onBehalfOf: null, targetId: null, changes: [], address: '127.0.0.1' };
  expect(nodes).toHaveLength(2);
  expect(nodes).toContainEqual(
    expect.objectContaining({
      ...alike,
      action: 'repository.created',
      targetType: 'repository',
      reason: 'FORBIDDEN: needs repository:create',
      requestId: asked.headers.get('x-request-id'),
    }),
  );
  expect(nodes).toContainEqual(
    expect.objectContaining({ ...alike, action: 'audit.read', reason: 'FORBIDDEN: needs audit:read' }),
  );
  await viewer(CREATE, { input });
  await eventually(async () => (await refused(admin, 2)).every(({ sequence }) => sequence !== null) || undefined);
  expect(await refused(admin, 2)).toHaveLength(2);
});

test('what a verb refuses is told too, whatever the field is called in the document', async () => {
  const { owner, admin } = await givenOrganization(server);
  const id = await personId(owner);
  const demote = 'mutation ($id: ID!) { x: updateMemberRole(userId: $id, role: VIEWER) { role } }';
  expect(codeOf(await admin(demote, { id }))).toBe('ROLE_ESCALATION');
  expect(codeOf(await owner('mutation { leaveOrganization { status } }'))).toBe('LAST_OWNER');
  const nodes = await refused(owner, 2);
  expect(nodes.map(({ action, reason }) => `${action}: ${reason}`).toSorted()).toEqual([
    'membership.removed: LAST_OWNER',
    'membership.updated: ROLE_ESCALATION',
  ]);
});

test('of a key it is told in whose name, and of a directory what it was about', async () => {
  const acme = await givenOrganization(server);
  const key = await givenKey(server, acme.developer, ['run:read']);
  await key.client(CREATE, { input });
  const directory = await givenDirectory(server, acme);
  await server.database.pool.queryAsLoginRole(`update organization set status = 'SUSPENDED' where id = $1`, [acme.id]);
  expect((await directory('POST', '/Users', { userName: `jo@${directory.domain}` })).status).toBe(403);
  const nodes = await refused(acme.admin, 2);
  expect(nodes).toContainEqual(
    expect.objectContaining({
      action: 'repository.created',
      onBehalfOf: await personId(acme.developer),
      actor: { kind: 'API_KEY', id: key.id, name: 'CI' },
    }),
  );
  expect(nodes).toContainEqual(
    expect.objectContaining({
      action: 'scim_user.created',
      reason: 'FORBIDDEN',
      actor: { kind: 'DIRECTORY', id: directory.id, name: expect.any(String) },
    }),
  );
});

test('of whoever acts as members it is told for each of them, and the log of the deployment names both', async () => {
  const acme = await givenOrganization(server);
  const { acting, sam, samId, userId } = await givenImpersonation(server, acme, { as: 'viewer' });
  const other = await givenImpersonation(server, acme, { as: 'developer', sam });
  const asked = await acting(CREATE, { input });
  await other.acting(CREATE, { input });
  const nodes = await refused(acme.admin, 2);
  expect(nodes.map(({ onBehalfOf }) => onBehalfOf as string).toSorted()).toEqual([userId, other.userId].toSorted());
  expect(nodes).toMatchObject(
    Array(2).fill({ action: 'repository.created', actor: { id: samId }, reason: 'READ_ONLY' }),
  );
  const requestId = asked.headers.get('x-request-id');
  const lines = server.logs
    .map((each) => JSON.parse(each) as Record<string, unknown>)
    .filter((each) => each['requestId'] === requestId && ['routing', 'graphql'].includes(String(each['msg'])));
  expect(new Set(lines.map(({ msg }) => msg))).toEqual(new Set(['graphql', 'routing']));
  for (const line of lines) expect(line).toMatchObject({ viewer: userId, actor: samId });
});

test('what comes from outside is told in the log of the deployment, and in no record', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const stranger = await globex.viewer('{ auditLog { totalCount } }', {}, { 'x-organization-id': acme.slug });
  expect(codeOf(stranger)).toBe('NOT_FOUND');
  // Refused to a person, not to a member.
  const none = await globex.viewer('mutation { createOrganization(input: { name: "", slug: "" }) { id } }');
  expect(none.errors).not.toEqual([]);
  await globex.viewer('{ organizations { totalCount } }');
  await globex.viewer(CREATE, { input: { ...input, name: unique('last') } });
  expect((await refused(globex.admin, 1)).map(({ action }) => action)).toEqual(['repository.created']);
  expect((await acme.admin(REFUSED)).data.auditLog.nodes).toEqual([]);
  const line = server.logs
    .map((each) => JSON.parse(each) as Record<string, unknown>)
    .find(({ requestId, msg }) => msg === 'graphql' && requestId === stranger.headers.get('x-request-id'));
  expect(line).toMatchObject({
    notEntered: [`sha256:${hash('sha256', acme.slug).slice(0, 16)}`],
    viewer: await personId(globex.viewer),
    codes: ['NOT_FOUND'],
  });
});

test('however much is refused, what is kept of it is bounded', () => {
  let now = 0;
  const acme = brandOrgId(newId('org'));
  const refusals = new Refusals(composeRecord(domains), () => now);
  const note = (orgId: OrgId, actor: number) =>
    refusals.note({
      orgId,
      act: { kind: 'PERSON', id: `usr_${actor}` } satisfies Act,
      tried: { permission: 'run:read' },
      error: new OrgateError('FORBIDDEN'),
    });
  for (let actor = 0; actor < 500; actor += 1) note(acme, actor);
  expect(refusals.waiting).toBe(100);
  for (let others = 0; others < 5000; others += 1) note(brandOrgId(newId('org')), 1);
  expect(refusals.waiting).toBe(1000);
  now += 61_000;
  note(acme, 1);
  expect(refusals.waiting).toBe(1000);
});

test('what there was no room for is told once it is tried again', async () => {
  const acme = brandOrgId(newId('org'));
  const refusals = new Refusals(composeRecord(domains));
  const note = (actor: number) =>
    refusals.note({
      orgId: acme,
      act: { kind: 'PERSON', id: `usr_${actor}` } satisfies Act,
      tried: { permission: 'run:read' },
      error: new OrgateError('FORBIDDEN'),
    });
  for (let actor = 0; actor <= 100; actor += 1) note(actor);
  await refusals.write(server.database.outside, new AbortController().signal);
  expect(refusals.waiting).toBe(0);
  for (const actor of [99, 100]) note(actor);
  expect(refusals.waiting).toBe(1);
});
