import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// What a folder MUST NOT import, lint refuses; and what it may, passes.
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** A file, what it imports, and from where. */
type Import = readonly [file: string, what: string, from: string];

const REFUSED: readonly Import[] = [
  // The store knows no GraphQL, and in which argument a value came.
  ['src/data/organization/a.ts', '{ GraphQLError }', 'graphql'],
  ['src/data/connection/b.ts', 'type { Resolvers }', '../../generated/graphql.js'],
  ['src/data/c.ts', '{ conflict }', '../errors.js'],
  ['src/data/organization/d.ts', '{ badInput }', '../../errors.js'],
  ['src/data/start/isolation-check.ts', '{ badInput }', '../../errors.js'],
  ['src/identity/e.ts', '{ conflict }', '../errors.js'],
  ['src/identity/f.ts', '{ GraphQLError }', 'graphql'],
  // A rule is asked by every door.
  ['src/permissions/rules.ts', 'type { GraphQLResolveInfo }', 'graphql'],
  ['src/permissions/catalogue.ts', '{ rule }', './graphql-shield.js'],
  ['src/permissions/g.ts', '{ openRegistry }', '../identity/registry.js'],
  // Domains see what others are, and nothing of how.
  ['src/domains/run/h.ts', '{ updateAgent }', '../agent/update-agent.js'],
  ['src/domains/run/i.ts', '{ openOther }', '../agent/outside.js'],
  ['src/domains/run/w.ts', '{ SETTINGS }', '../organization/settings/schema.js'],
  ['src/domains/organization/settings/x.ts', '{ updateAgent }', '../../agent/update-agent.js'],
  ['src/domains/run/j.ts', '{ OrganizationDbs }', '../../data/organization/scope.js'],
  ['src/domains/run/k.ts', '{ ScopedPool }', '../../data/connection/org-connection.js'],
  ['src/domains/run/l.ts', '{ Prisma }', '../../generated/prisma/client.js'],
  ['src/domains/run/m.ts', 'type { FastifyRequest }', 'fastify'],
  ['src/domains/run/n.ts', '{ createRun }', '../../gateway/graphql/run.js'],
  ['src/domains/run/outside.ts', '{ Prisma }', '../../generated/prisma/client.js'],
  ['src/domains/run/o.ts', '{ brandOrgId }', '../../data/id.js'],
  ['src/domains/usage/outside.ts', 'type { NewRun }', '../run/start-run.js'],
  // Imports go down.
  ['src/resource/p.ts', '{ readActor }', '../rights/actor.js'],
  ['src/rights/q.ts', '{ run }', '../domains/run/index.js'],
  ['src/context/r.ts', '{ can }', '../permissions/rules.js'],
  ['src/data/s.ts', '{ openSessions }', '../identity/sessions.js'],
  ['src/secrets/t.ts', '{ models }', '../data/organization/models.js'],
  ['src/config/ee.ts', '{ createOidcInput }', '../domains/identity-provider/identity-provider-input.js'],
  ['src/gateway/graphql/gg.ts', '{ impersonation }', '../../domains/impersonation/index.js'],
  // Whoever enters is verified, and nobody else.
  ['src/gateway/u.ts', '{ brandVerifiedOrgId }', '../data/id.js'],
  ['src/identity/v.ts', '{ brandVerifiedOrgId }', '../data/id.js'],
  ['src/data/organization/y.ts', '{ brandOrgId }', '../id.js'],
  ['src/data/connection/z.ts', '{ brandVerifiedOrgId }', '../id.js'],
  // It reads of all organizations, and enters none.
  ['src/data/start/doctor.ts', '{ brandVerifiedOrgId }', '../id.js'],
];

const ALLOWED: readonly Import[] = [
  ['src/config/ff.ts', '{ issuerUrl }', '../identity/provider-metadata.js'],
  ['src/data/aa.ts', '{ taken }', '../errors.js'],
  ['src/permissions/shield.ts', '{ rule }', './graphql-shield.js'],
  ['src/domains/run/bb.ts', '{ agent }', '../agent/index.js'],
  ['src/domains/run/cc.ts', '{ userOf }', '../membership/parent.js'],
  ['src/domains/run/dd.ts', '{ startRun }', './start-run.js'],
  ['src/domains/account/outside.ts', 'type { UserParent }', '../viewer/parent.js'],
  ['src/domains/dns-domain/outside.ts', '{ brandOrgId }', '../../data/id.js'],
  ['src/context/enter-organization.ts', '{ brandVerifiedOrgId }', '../data/id.js'],
];

/** Each needs the other, and so neither can be understood, tested or moved alone. */
const CIRCLES: readonly Import[] = [
  ['src/domains/run/gg.ts', '{ hh }', './hh.js'],
  ['src/domains/run/hh.ts', '{ gg }', './gg.js'],
  // Nothing of it is left at run time; what is read together is still both of them.
  ['src/domains/run/ii.ts', 'type { Jj }', './jj.js'],
  ['src/domains/run/jj.ts', 'type { Ii }', './ii.js'],
];

const STRAIGHT: readonly Import[] = [
  ['src/domains/run/kk.ts', '{ ll }', './ll.js'],
  ['src/domains/run/ll.ts', '{ z }', 'zod'],
];

/** Answers the files in which lint finds an import that a rule does not allow there. */
async function refusedIn(imports: readonly Import[], rule: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fences-'));
  try {
    await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
    for (const file of ['package.json', '.oxlint.config.js']) await copyFile(join(PROJECT, file), join(folder, file));
    for (const [file, what, from] of imports) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), `import ${what} from '${from}';\n`);
    }
    const lint = ['--config', '.oxlint.config.js', '--format', 'json', 'src'];
    const told = await new Promise<string>((resolve) =>
      // It ends with 1 where it finds something.
      execFile(join(PROJECT, 'node_modules/.bin/oxlint'), lint, { cwd: folder }, (_, out) => resolve(out)),
    );
    const { diagnostics } = JSON.parse(told) as { diagnostics: { code: string; filename: string }[] };
    const refused = diagnostics.filter(({ code }) => code.includes(rule));
    return refused.map(({ filename }) => filename).toSorted();
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('no import crosses a fence', async () => {
  const refused = await refusedIn([...REFUSED, ...ALLOWED], 'no-restricted-imports');
  expect(refused).toEqual(REFUSED.map(([file]) => file).toSorted());
});

test('no two files import each other, not even for types', async () => {
  expect(await refusedIn([...CIRCLES, ...STRAIGHT], 'no-cycle')).toEqual(CIRCLES.map(([file]) => file).toSorted());
});

test('what composes the server is read in a minute: no feature adds to it', async () => {
  const lines = (await readFile(join(PROJECT, 'src/server.ts'), 'utf8')).trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(80);
});
