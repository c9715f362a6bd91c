import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { adopt, type Adopted } from '../adopt/adopt.js';
import { KINDS, parseMap } from '../adopt/map.js';
import { readConfig } from '../config/config.js';
import { readForeign } from '../data/start/foreign-database.js';
import { createMetrics } from '../gateway/http/metrics.js';
import { openConfiguredDatabase } from '../open-database.js';
import { createOrganizationSeal } from '../secrets/organization-seal.js';
import { openSeal } from '../secrets/seal.js';
import { asError } from '../thrown.js';
import { readArguments, refuseArguments } from './read-arguments.js';

const USAGE = `usage: npm run adopt -- <url> --map <file> [--dry-run] [--ids <file>] [--json]

  <url>        the PostgreSQL database that moves in; it is only read
  --map        which of its tables and columns become which of ours: docs/adopt.md
  --dry-run    reads and checks everything, and writes nothing
  --ids        writes what each row was called there, and is here: a line of JSON for each
  --json       for machines, in place of sentences

Moves a single-tenant database into an organization of its own, and compares both afterwards. Begun again it goes on where it was, and
done again it does nothing. Ends with 0 when all is there and the same, else with 1.`;

async function main(): Promise<void> {
  const { positionals, values } = readArguments(USAGE, {
    allowPositionals: true,
    options: {
      map: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      ids: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [url, ...rest] = positionals;
  if (url === undefined || rest.length > 0) return refuseArguments('Say which database moves in, and nothing else');
  if (!/^postgres(ql)?:\/\//.test(url)) return refuseArguments('The database is told by a URL: postgres://…');
  if (values.map === undefined) return refuseArguments('--map is needed');
  const map = parseMap(await readFile(values.map, 'utf8'));
  const config = readConfig();
  const seal = createOrganizationSeal(await openSeal(config.secretKeys, config.dataDirectory));
  const isDryRun = values['dry-run'];
  const ids = values.ids === undefined || isDryRun ? null : createWriteStream(values.ids);
  const database = await openConfiguredDatabase(config, createMetrics());
  try {
    const adopted = await readForeign(url, (foreign) =>
      adopt({
        foreign,
        map,
        database,
        seal,
        namingPolicy: config.namingPolicy,
        isDryRun,
        onMoved: (moved) => void ids?.write(`${JSON.stringify(moved)}\n`),
      }),
    );
    console.log(values.json ? JSON.stringify(adopted, null, 2) : told(adopted));
    const isSame = adopted.compared === null || KINDS.every((kind) => adopted.compared?.[kind].differ === 0);
    if (!isSame) process.exitCode = 1;
  } finally {
    await database.close();
    if (ids) await once(ids.end(), 'close');
  }
}

function told(adopted: Adopted): string {
  const { slug, organizationId, compared, found } = adopted;
  const lines = KINDS.map((kind) => {
    const of = compared?.[kind];
    if (!of) return `  ${kind}: ${found[kind]}`;
    const such = of.differ === 0 ? 'the same' : `${of.differ} missing or other: ${of.such.join(', ')}`;
    return `  ${kind}: ${of.theirs} there, ${of.ours} here, ${such}\n    ${of.checksums[0]} there\n    ${of.checksums[1]} here`;
  });
  const head = compared
    ? `Moved into ${slug}, ${organizationId}:`
    : `Would move into ${slug}, ${organizationId ?? 'which would be made'}; nothing was written:`;
  return [
    head,
    ...lines,
    '',
    'What is to be known:',
    ...known(adopted),
    '',
    'What clients send now:',
    ...sends(adopted),
  ].join('\n');
}

const known = ({ known: people, found, withoutStarter, withoutAgent, unfinished, withSubject }: Adopted): string[] =>
  [
    people > 0 &&
      `${people} people have an account here already, and keep it: who they are, they say by signing in as before.`,
    `${withSubject} of ${found.people} people are known by the subject of their issuer; the others by the e-mail that they prove.`,
    withoutStarter > 0 && `${withoutStarter} runs were started by nobody who is known: the OWNER is said to have.`,
    withoutAgent > 0 && `${withoutAgent} runs are of agents that are gone: they are of none.`,
    unfinished > 0 &&
      `${unfinished} runs are not over: their executors report on them by their new ids, or they are to be cancelled.`,
    'API keys and passwords do not move: keys are made anew, and orgate keeps no passwords.',
  ].flatMap((line) => (line ? [`  - ${line}`] : []));

const sends = ({ slug }: Adopted): string[] =>
  [
    `the organization, with every request: \`X-Organization-Id: ${slug}\`, or a path with it (/organizations/${slug}/…), or a token or key bound to it`,
    'a bearer token of one of AUTH_ISSUERS, a session of orgate, or a key that `createApiKey` makes',
    'the ids that things have here: `--ids` writes each beside the one it had',
  ].map((line) => `  - ${line}`);

main().catch((error: unknown) => {
  console.error(asError(error).message);
  process.exit(1);
});
