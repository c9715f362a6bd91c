import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { counts, forgotten, lists, write } from './lists/cases.mjs';
import { middleOf } from './lists/middle.mjs';
import { Replay } from './lists/replay.mjs';
import { ASKING, createWorld } from './lists/world.mjs';
import { openWire } from './measure/wire.mjs';
import { startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { openIssuer } from './world/issuer.mjs';

// Every list, filter and count of the contract, asked of one organization that is large in every way. Nothing may take the
// database longer than this, but counting exactly what is more than so many rows.
const BOUND_MS = 20;
const COUNTED_QUICKLY = 10_000;

const USAGE = `npm run bench:lists -- [--quick] [--write]   (the gateway must be built: npm run build)

  --quick   20,000 runs in place of 450,000: does everything work?
  --write   in place of the results that are kept; not of --quick
`;
const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(USAGE);
  process.exit(0);
}
const isQuick = args.includes('--quick');
const isKept = args.includes('--write');
const isKnown = args.every((arg) => arg === '--quick' || arg === '--write');
if (!isKnown || (isQuick && isKept) || !existsSync(`${PROJECT}dist/main.js`)) {
  console.error(USAGE);
  process.exit(2);
}
const { adminUrl, poolSize } = readSettings([]);
const began = performance.now();
const say = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);

const runs = isQuick ? 20_000 : 450_000;
say(`filling ${runs} runs …`);
const world = await createWorld({ adminUrl, runs });
const issuer = await openIssuer();
const wire = await openWire(world.ownerUrl);
let gateway;
try {
  gateway = await startGateway('walls', {
    world,
    jwksUri: issuer.jwksUri,
    settings: { poolSize },
    databasePort: wire.port,
  });
  await measure();
} finally {
  await gateway?.stop();
  wire.close();
  issuer.close();
  await world.drop();
  rmSync(`${BENCH}work`, { recursive: true, force: true });
}

async function measure() {
  const ids = await readIds();
  const table = lists(ids);
  const counted = counts(ids);
  const missing = forgotten(table, counted);
  if (missing.length > 0) throw new Error(`these are asked for by no case: ${missing.join(', ')}`);

  const token = await issuer.sign(ASKING.subject, ids.organization);
  const ask = async (query) => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    });
    const { data, errors } = await response.json();
    if (errors) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    return data;
  };
  const replay = new Replay(world.owner);
  const results = [];
  const time = async (name, query, isLargeCount) => {
    await ask(query);
    const http = [];
    let batches = [];
    for (let count = 0; count < 3; count += 1) {
      wire.take();
      const from = performance.now();
      await ask(query);
      http.push(performance.now() - from);
      batches = wire.take();
    }
    const database = await replay.time(batches);
    const row = { name, httpMs: round(http.sort((a, b) => a - b)[1]), databaseMs: round(database), isLargeCount };
    results.push(row);
    if (database > BOUND_MS) say(`${database.toFixed(1)} ms  ${name}${isLargeCount ? ' (a count past 10,000)' : ''}`);
  };

  for (const [name, { in: place, closing = '', args: variants = [{}] }] of Object.entries(table)) {
    const field = name.split('.')[1];
    const document = (more, selection) => {
      const list = `list: ${field}${write(more)} { ${selection} }`;
      return place ? `{ ${place} { ${list} }${closing} }` : `{ ${list} }`;
    };
    for (const variant of variants) {
      const title = `${name}${write(Object.fromEntries(Object.entries(variant).map(([key, value]) => [key, named(value, ids)])))}`;
      const page = (more = {}) =>
        document({ first: 100, ...variant, ...more }, 'edges { cursor } pageInfo { hasNextPage endCursor }');
      const first = listIn(await ask(page()));
      const { totalCount } = listIn(await ask(document(variant, 'totalCount')));
      await time(`${title}, first page`, page(), false);
      const after = await deepCursor(page, ask, first, totalCount, middleOf(name, variant.filter, totalCount, ids));
      if (after) await time(`${title}, a page far behind`, page({ after }), false);
      await time(`${title}, totalCount`, document(variant, 'totalCount'), totalCount > COUNTED_QUICKLY);
    }
    say(`${name}: ${variants.length} × 3`);
  }
  for (const [name, query] of Object.entries(counted)) {
    const numbers = JSON.stringify(await ask(query)).matchAll(/"(?:totalCount|memberCount|userCount)":(\d+)/g);
    const all = [...numbers].reduce((total, [, count]) => total + Number(count), 0);
    await time(name, query, all > COUNTED_QUICKLY);
  }
  report(results);
}

/** Half the list further on: by its pages, or where there are very many rows by the one in the middle. */
async function deepCursor(page, ask, first, totalCount, middle) {
  const cursor = first.pageInfo.endCursor;
  if (!cursor || !first.pageInfo.hasNextPage) return null;
  if (middle) {
    const { rows } = await world.owner.query(middle);
    const [scope, order] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Buffer.from(JSON.stringify([scope, order, ...Object.values(rows[0])])).toString('base64url');
  }
  let after = cursor;
  for (let read = 100; read < totalCount / 2; read += 100) {
    const { pageInfo } = listIn(await ask(page({ after })));
    if (!pageInfo.hasNextPage) break;
    after = pageInfo.endCursor;
  }
  return after;
}

/** The list itself, however deep it stands in the answer. */
function listIn(data) {
  return data.list ?? listIn(Object.values(data)[0]);
}

function round(ms) {
  return Math.round(ms * 100) / 100;
}

/** A filter without ids, which are others' in every world but say nothing. */
function named(value, ids) {
  const text = JSON.stringify(value);
  const known = Object.entries(ids).reduce((all, [name, id]) => all.replaceAll(String(id), name), text);
  return JSON.parse(known);
}

async function readIds() {
  const one = async (text) => Object.values((await world.owner.query(text)).rows[0])[0];
  const of = `org_id = (select id from organization where slug = '${ASKING.organization}')`;
  return {
    organization: await one(`select id from organization where slug = '${ASKING.organization}'`),
    largeAgent: await one(`select id from agent where ${of} and name = 'agent-0001'`),
    smallAgent: await one(`select id from agent where ${of} and name = 'agent-0777'`),
    largeRepository: await one(`select id from repository where ${of} and name = 'repository-0001'`),
    smallRepository: await one(`select id from repository where ${of} and name = 'repository-0778'`),
    largeCreator: await one(`select user_id from membership where ${of} and email = 'member-2@large.example'`),
    smallCreator: await one(`select user_id from membership where ${of} and email = 'member-4000@large.example'`),
    account: await one(`select id from account order by id limit 1`),
    allowedRun: await one(`select subject_id from approval where ${of} and status = 'APPROVED' order by id limit 1`),
    webhook: await one(`select id from webhook where ${of} order by id limit 1`),
    delivery: await one(`select delivery_id from webhook_attempt where ${of} order by webhook_id, id limit 1`),
    directory: await one(`select id from scim_directory where ${of} order by id limit 1`),
  };
}

function report(results) {
  const slow = results.filter(({ databaseMs, isLargeCount }) => databaseMs > BOUND_MS && !isLargeCount);
  const folder = `${BENCH}results/${isKept ? '' : 'quick/'}`;
  mkdirSync(folder, { recursive: true });
  const machine = {
    cores: availableParallelism(),
    cpu: cpus()[0].model,
    load: round(loadavg()[0]),
    node: process.version,
  };
  writeFileSync(`${folder}lists.json`, `${JSON.stringify({ runs, machine, results })}\n`);
  const groups = groupBy(results, groupOf);
  const worst = (rows) => rows.toSorted((a, b) => b.databaseMs - a.databaseMs)[0];
  const lines = [...groups].map(([group, rows]) => {
    const { name, databaseMs } = worst(rows);
    const http = Math.max(...rows.map(({ httpMs }) => httpMs));
    const details = name.startsWith(group) ? name.slice(group.length) : name;
    return `| ${group} | ${rows.length} | ${databaseMs.toFixed(2)} | ${http.toFixed(1)} | ${details.replaceAll('|', '\\|')} |`;
  });
  const text = `# Lists of a large organization

One organization with ${runs.toLocaleString('en')} runs of 2,000 agents, 5,000 members and so on, beside 100 others: every list of the contract with
its filters, alone and combined, the first page of 100, one far behind and \`totalCount\`. Milliseconds: in the database by its own
account, all statements of a request together (the best of 5, so that what else the machine did is not in it), and over HTTP (the median of
3, one after the other). ${machine.cores} cores (${machine.cpu}), load ${machine.load}.

${results.length} requests; ${slow.length === 0 ? 'none' : slow.length} took the database longer than ${BOUND_MS} ms, but for counts past ${COUNTED_QUICKLY.toLocaleString('en')} rows, which stay exact.

| list | asked for | slowest, database | slowest, HTTP | which |
| --- | --: | --: | --: | --- |
${lines.join('\n')}
${slow.map(({ name, databaseMs }) => `\n- ${databaseMs.toFixed(1)} ms: ${name}`).join('')}`;
  writeFileSync(`${folder}lists.md`, `${text.trimEnd()}\n`);
  console.log(`\n${text}`);
  if (slow.length > 0) process.exitCode = 1;
}

function groupOf({ name, isLargeCount }) {
  const list = name.split(/[(,]/)[0];
  return isLargeCount ? `counts past 10,000: ${list}` : list;
}

function groupBy(rows, key) {
  const groups = new Map();
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row]);
  return groups;
}
