import { expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { givenTwoOrganizations } from '../support/given.js';
import { attemptsOfDomainTests, identifyingArguments } from '../support/identifying-arguments.js';
import { describeIsolation, mask } from '../support/isolation.js';
import { startServer, useServer } from '../support/server.js';
import { withWalls } from '../support/walls.js';
import { CASES } from './isolation-cases.js';

/** Answered bit by bit: what is foreign and what never was are compared in domains/run-update. */
const BY_EVENTS = [
  'Subscription.runUpdates.runId',
  'Subscription.runUpdates.after',
  'Subscription.organizationRunUpdates.after',
];

test('every argument that names something MUST have a case', () => {
  const wanted = identifyingArguments(createContract().schema);
  const tried = [...Object.keys(CASES), ...attemptsOfDomainTests(), ...BY_EVENTS];
  const missing = wanted.filter((path) => !tried.includes(path));
  expect(missing.map((path) => `'${path}': give describeIsolation an attempt, in the test of its domain`)).toEqual([]);
  expect(tried.filter((path) => !wanted.includes(path))).toEqual([]);
});

describeIsolation(CASES);

const server = useServer();

test('a header that names a foreign organization MUST be refused like one that names none: unknown and foreign are refused alike', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const nowhere = await server.as(`nobody@${globex.slug}.example`);
  for (const attacker of [globex.owner, globex.admin, globex.developer, globex.viewer, nowhere]) {
    const answers = [acme.id, acme.slug, 'no-such-organization', newId('org'), '%%%', 'x'.repeat(500)].map(
      async (name) => mask(await attacker('{ viewer { role } }', {}, { 'x-organization-id': name }), name),
    );
    expect(new Set(await Promise.all(answers)).size).toBe(1);
  }
});

test('with neither wall the same attempts MUST be seen to leak: this suite can fail', async () => {
  const server = await startServer({ wrap: withWalls('neither') });
  try {
    const { acme, globex } = await givenTwoOrganizations(server);
    const { data } = await globex.owner('query ($id: ID!) { repository(id: $id) { name gitUrl } }', {
      id: acme.repositoryId,
    });
    expect(data.repository.gitUrl).toContain(acme.slug);
  } finally {
    await server.close();
  }
});
