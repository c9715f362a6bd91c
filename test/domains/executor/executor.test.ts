import { expect, test } from '@jest/globals';
import { claim, CLAIM, givenExecutor } from '../../support/executors.js';
import { givenAdministrator, givenOrganization, unique } from '../../support/given.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const REGISTER = `mutation ($input: RegisterExecutorInput!) {
  registerExecutor(input: $input) { token executor { id name pool lastFour createdAt rotatedAt lastUsedAt revokedAt } } }`;
const ROTATE = 'mutation ($id: ID!) { rotateExecutorToken(id: $id) { token executor { id lastFour } } }';
const REVOKE = 'mutation ($id: ID!) { revokeExecutor(id: $id) { id revokedAt } }';
const argumentOf = (answer: Answer): unknown => answer.errors[0]?.extensions['argument'];

test('a SYSTEM_ADMIN registers one, sees its token once, gives it another, and revokes it', async () => {
  const sam = await givenAdministrator(server);
  const name = unique('gpu');
  const made = await sam(REGISTER, { input: { name, pool: 'gpu' } });
  const { token, executor } = made.data.registerExecutor;
  expect(token).toMatch(/^og_exec_[0-9a-v]{26}_[0-9a-v]{32}_[0-9a-v]{7}$/);
  expect(executor).toMatchObject({ name, pool: 'gpu', lastFour: token.slice(-4), lastUsedAt: null, revokedAt: null });
  const taken = await sam(REGISTER, { input: { name } });
  expect([codeOf(taken), argumentOf(taken)]).toEqual(['CONFLICT', 'input.name']);
  expect(await claim(server.withToken(token))).toEqual([]);

  const rotated = await sam(ROTATE, { id: executor.id });
  const next = rotated.data.rotateExecutorToken.token as string;
  expect(codeOf(await server.withToken(token)(CLAIM, { input: {} }))).toBe('UNAUTHENTICATED');
  expect(await claim(server.withToken(next))).toEqual([]);

  const revoked = await sam(REVOKE, { id: executor.id });
  expect(revoked.data.revokeExecutor.revokedAt).not.toBeNull();
  expect((await sam(REVOKE, { id: executor.id })).data).toEqual(revoked.data);
  expect(codeOf(await server.withToken(next)(CLAIM, { input: {} }))).toBe('UNAUTHENTICATED');
  expect(codeOf(await sam(ROTATE, { id: executor.id }))).toBe('CONFLICT');
  // The name is free again.
  expect((await sam(REGISTER, { input: { name } })).errors).toEqual([]);

  const listed = await sam('{ executors { id name lastUsedAt revokedAt } }');
  expect(listed.data.executors).toContainEqual(
    expect.objectContaining({ id: executor.id, lastUsedAt: expect.any(String) }),
  );
  const log = await sam(
    'query ($id: ID!) { deploymentLog(filter: { targetId: $id }) { nodes { action changes { path before after } } } }',
    { id: executor.id },
  );
  expect(log.data.deploymentLog.nodes.map(({ action }: { action: string }) => action)).toEqual([
    'executor.revoked',
    'executor.updated',
    'executor.created',
  ]);
  const told = [listed, log, revoked].map(({ text }) => text).join('\n') + server.logs.join('\n');
  for (const secret of [token, next]) expect(told).not.toContain(secret.slice(20, 60));
});

test.each([
  ['name', { name: ' ' }],
  ['pool', { pool: 'No Pool' }],
  ['pool', { pool: 'x'.repeat(64) }],
])('%s is refused as %j', async (field, more) => {
  const sam = await givenAdministrator(server);
  const refused = await sam(REGISTER, { input: { name: unique('x'), ...more } });
  expect([codeOf(refused), argumentOf(refused)]).toEqual(['BAD_USER_INPUT', `input.${field}`]);
});

test('nobody else registers, lists, rotates or revokes, whatever they are in an organization', async () => {
  const { owner } = await givenOrganization(server);
  const { id, client } = await givenExecutor(server);
  for (const by of [owner, client]) {
    expect(codeOf(await by(REGISTER, { input: { name: unique('x') } }))).toBe('FORBIDDEN');
    expect(codeOf(await by(ROTATE, { id }))).toBe('FORBIDDEN');
    expect(codeOf(await by(REVOKE, { id }))).toBe('FORBIDDEN');
    expect(codeOf(await by('{ executors { id } }'))).toBe('FORBIDDEN');
  }
  const sam = await givenAdministrator(server);
  expect(codeOf(await sam(ROTATE, { id: 'exr_none' }))).toBe('NOT_FOUND');
  expect(codeOf(await sam(REVOKE, { id: 'exr_none' }))).toBe('NOT_FOUND');
});

test('an executor claims and does nothing else, at any door', async () => {
  const acme = await givenOrganization(server);
  const { client, token } = await givenExecutor(server);
  for (const text of [
    '{ viewer { role } }',
    '{ rateLimit { remaining } }',
    '{ permissionCatalogue { name } }',
    '{ runs { nodes { id } } }',
    '{ claimedRun { runId } }',
    `{ node(id: "${acme.runId}") { id } }`,
    '{ __schema { types { name } } }',
    'mutation { createOrganization(input: { name: "x", slug: "xyz" }) { id } }',
    `mutation { claimRuns(input: {}) { runs { runId } } cancelRun(id: "${acme.runId}") { id } }`,
  ]) {
    expect([text, codeOf(await client(text))]).toEqual([text, 'FORBIDDEN']);
  }
  const ask = (path: string, headers: object = {}) =>
    fetch(new URL(path, server.url), { headers: { authorization: `Bearer ${token}`, ...headers }, redirect: 'manual' });
  for (const path of [
    `/organizations/${acme.slug}/audit`,
    `/organizations/${acme.slug}/export/exo_x`,
    '/scim/v2/Users',
  ]) {
    expect([path, (await ask(path)).status]).toEqual([path, expect.any(Number)]);
    expect((await ask(path)).status).toBeGreaterThanOrEqual(400);
  }
  const named = server.withToken(token, '', { 'x-organization-id': acme.slug });
  expect(codeOf(await named(CLAIM, { input: {} }))).toBe('ORG_CONTEXT_CONFLICT');
});
