import { fileURLToPath } from 'node:url';

/** The project, whose built gateway is measured, and this package. Both end in a slash. */
export const PROJECT = fileURLToPath(new URL('..', import.meta.url));
export const BENCH = fileURLToPath(new URL('.', import.meta.url));

/** Where a superuser reaches PostgreSQL 15 or later. Only databases and roles named `orgate_bench…` are made and dropped. */
const ADMIN_URL = process.env.BENCH_ADMIN_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';

const FULL = {
  /** Organizations that are asked for; the larger setting adds others around them. */
  organizations: 1000,
  blocks: 2,
  rounds: 2,
  warmUpSeconds: 8,
  seconds: 5,
  /** The share of the machine that processes without a part in it may take, before a round is taken again. */
  tolerated: 0.1,
  /** How long to wait for the machine to be quiet before that. */
  patienceSeconds: 60,
  connections: 16,
  verified: 25,
  counted: 50,
  pgbenchSeconds: 10,
  pgbenchOrganizations: 100,
  coldStarts: 5,
  embeddedSeconds: 10,
};

/** A few seconds of everything: says whether it works, not how fast it is. */
const QUICK = {
  ...FULL,
  organizations: 50,
  blocks: 2,
  warmUpSeconds: 2,
  seconds: 1,
  tolerated: 1,
  patienceSeconds: 0,
  verified: 5,
  counted: 10,
  pgbenchSeconds: 2,
  pgbenchOrganizations: 20,
  coldStarts: 2,
  embeddedSeconds: 2,
};

const USAGE = `npm run bench -- [--quick] [--large]

  --quick   a few seconds each on little data: says whether it works, not how fast it is
  --large   also measures with 99,000 organizations more (1,950 more with --quick)
`;

/** @param {readonly string[]} args */
export function readSettings(args) {
  const known = new Set(['--quick', '--large']);
  if (args.some((arg) => !known.has(arg))) {
    console.error(USAGE);
    process.exit(args.includes('--help') ? 0 : 2);
  }
  const quick = args.includes('--quick');
  return {
    ...(quick ? QUICK : FULL),
    quick,
    large: args.includes('--large'),
    /** Organizations that the larger setting adds. */
    added: quick ? 1950 : 99_000,
    adminUrl: ADMIN_URL,
    /** Organizations are made alike in both settings, so that the same requests fit both. */
    repositories: 20,
    runs: 20,
    members: 5,
    addedRepositories: 2,
    addedRuns: 10,
    poolSize: 10,
  };
}

/** @typedef {ReturnType<typeof readSettings>} Settings */

/** The URL of another database or login on the same PostgreSQL. */
export function urlOf(adminUrl, { database, user, password, port }) {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  if (user !== undefined) Object.assign(url, { username: user, password: password ?? '' });
  if (port !== undefined) url.port = String(port);
  return url.href;
}
