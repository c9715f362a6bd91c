import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { givenTwoOrganizations } from '../support/given.js';
import { identifyingArguments } from '../support/identifying-arguments.js';
import { describeIsolation, mask } from '../support/isolation.js';
import { startServer, useServer } from '../support/server.js';
import { withWalls } from '../support/walls.js';
import { CASES } from './isolation-cases.js';

/** Attempts that a domain's own test hands to describeIsolation. */
function attemptsOfDomainTests(): string[] {
  const directory = new URL('../domains/', import.meta.url);
  const texts = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(path.join(parentPath, name), 'utf8'));
  return texts
    .filter((text) => text.includes('describeIsolation('))
    .flatMap((text) => [...text.matchAll(/'([A-Z]\w*(?:\.\w+){2,})': /g)].map(([, path]) => path as string));
}

test('every argument that names something MUST have a case', () => {
  const wanted = identifyingArguments(createContract().schema);
  const tried = [...Object.keys(CASES), ...attemptsOfDomainTests()];
  expect(wanted.filter((path) => !tried.includes(path))).toEqual([]);
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
