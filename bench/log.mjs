#!/usr/bin/env node
/**
 * The record when there is much of it: how far behind its sealer is under a hundred writers, what verifying and exporting a long
 * chain takes, and how long the first page of a log of ten million entries takes the database. `npm run bench:log`.
 *
 * In parts where asked to, each with its result kept: `sealing`, `long`, `fill`, `pages`. Filling ends after some minutes, and goes on
 * when it is said again.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { write } from './lists/cases.mjs';
import { Replay } from './lists/replay.mjs';
import { ENTRIES, fillRecord, filters } from './log/fill.mjs';
import { ask } from './measure/ask.mjs';
import { memoryOf, resetPeak } from './measure/proc.mjs';
import { openWire } from './measure/wire.mjs';
import { startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked, reopenWorld } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';

const BOUND_MS = 20;
const WRITERS = 100;
const CREATE = 'mutation ($i: CreateRepositoryInput!) { createRepository(input: $i) { id } }';
const isQuick = process.argv.includes('--quick');
const isWritten = process.argv.includes('--write');
const PARTS = ['sealing', 'long', 'fill', 'pages'];
const asked = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const parts = asked.length > 0 ? asked : PARTS;
if (!existsSync(`${PROJECT}dist/main.js`) || (isQuick && isWritten) || parts.some((part) => !PARTS.includes(part))) {
  console.error(
    `npm run bench:log -- [--quick] [--write] [${PARTS.join('] [')}], once the gateway is built: npm run build`,
  );
  process.exit(2);
}
/** Filling in parts ends after so long. */
const FILLING_MS = 270_000;
const SECONDS = isQuick ? 3 : 15;
const CHAINED = isQuick ? 20_000 : 200_000;
const entries = isQuick ? 100_000 : ENTRIES;
const settings = { ...readSettings([]), organizations: WRITERS + 2 };
const began = performance.now();
const say = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);
const agent = new Agent({ keepAlive: true, maxSockets: WRITERS });
const round = (value, digits = 0) => Math.round(value * 10 ** digits) / 10 ** digits;

const directory = `${BENCH}results/${isWritten ? '' : 'quick/'}`;
const FILLED = `orgate_bench_log_${isQuick ? 'quick' : 'full'}`;

/** @type {(() => unknown)[]} */
const undo = [() => rmSync(`${BENCH}work`, { recursive: true, force: true })];
try {
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  if (parts.includes('sealing') || parts.includes('long')) await inWorld(issuer);
  const isFilled = !parts.includes('fill') || (await fill());
  if (!isFilled) {
    say('not all of it is there yet: say `fill` again');
    process.exitCode = 3;
  } else if (parts.includes('pages')) await inFilled(issuer);
} catch (error) {
  console.error(error);
  process.exitCode = 2;
} finally {
  for (const step of undo.toReversed()) await Promise.resolve(step()).catch((error) => console.error(error.message));
}
process.exit();

/** How far behind the sealer is, and what a long chain takes. */
async function inWorld(issuer) {
  const world = await createWorld(settings, 'orgate_bench_log', 0);
  undo.push(() => dropWorld(settings, world));
  const organizations = await readAsked(world, settings);
  for (const each of organizations) each.token = await issuer.sign(each.subject, each.orgId);
  const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings });
  undo.push(() => gateway.stop());
  const run = { world, gateway };
  if (parts.includes('sealing')) {
    const sealing = [
      { whose: 'of one organization', ...(await seal(run, organizations.slice(0, 1))) },
      { whose: 'of a hundred', ...(await seal(run, organizations.slice(1, WRITERS + 1))) },
    ];
    await keep({ sealing }, world);
  }
  if (parts.includes('long')) await keep({ long: await readLong(run, organizations[0]) }, world);
}

/** @returns whether all of it is there */
async function fill() {
  const world = (await reopenWorld(settings, FILLED)) ?? (await createWorld(settings, FILLED, 0));
  const { orgId } = (await readAsked(world, settings))[0];
  const until = asked.length > 0 ? performance.now() + FILLING_MS : Infinity;
  const isFilled = await fillRecord(world.owner, { orgId, entries, isTimeUp: () => performance.now() > until, say });
  await world.owner.end();
  return isFilled;
}

/** The first pages of what was filled; then it goes. */
async function inFilled(issuer) {
  const world = await reopenWorld(settings, FILLED);
  if (!world) throw new Error('nothing is filled: say `fill` first');
  const [organization] = await readAsked(world, settings);
  organization.token = await issuer.sign(organization.subject, organization.orgId);
  const wire = await openWire(world.ownerUrl);
  undo.push(() => wire.close());
  const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings, databasePort: wire.port });
  undo.push(() => gateway.stop());
  await keep({ pages: await readPages({ world, wire, gateway }, organization) }, world);
  // Of parts that are asked for one by one it stays, to be asked again.
  undo.splice(1, 0, () => (asked.length > 0 ? world.owner.end() : dropWorld(settings, world)));
}

/** Keeps what a part found beside what others did, and tells it once all is there. */
async function keep(found, { owner }) {
  mkdirSync(directory, { recursive: true });
  const file = `${directory}log.json`;
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const { rows } = await owner.query('show server_version');
  const what = `${new Date().toISOString().slice(0, 10)}; ${availableParallelism()} cores of ${cpus()[0].model}, Node.js ${process.version}, PostgreSQL ${rows[0].server_version}; load ${round(loadavg()[0], 1)}`;
  const all = { ...before, ...found, what: { ...before.what, [Object.keys(found)[0]]: what } };
  writeFileSync(file, `${JSON.stringify(all)}\n`);
  if (all.sealing && all.long && all.pages) report(all);
}

async function change({ url }, token, query, variables) {
  const { data, errors } = await ask(agent, url, token, query, variables);
  if (errors) throw new Error(`${query}: ${JSON.stringify(errors)}`);
  return data;
}

/** A hundred writers, each at its next create once the last is answered. */
async function seal({ world, gateway }, whose) {
  const { rows: from } = await world.owner.query('select coalesce(max(number), 0) as number from audit_entry');
  let count = 0;
  let refused = 0;
  const until = performance.now() + SECONDS * 1000;
  const writer = async (index) => {
    const { token } = whose[index % whose.length];
    while (performance.now() < until) {
      const i = { name: `zz-${(count += 1)}-${index}`, gitUrl: 'https://git.example/r.git' };
      const { errors } = await ask(agent, gateway.url, token, CREATE, { i });
      if (!errors) continue;
      if (errors[0].extensions.code !== 'SERVICE_UNAVAILABLE') throw new Error(JSON.stringify(errors));
      refused += 1;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, index) => writer(index)));
  const stopped = performance.now();
  await sealed(world);
  const { rows } = await world.owner.query(
    `select percentile_disc(array[0.5, 0.99, 1]) within group (order by extract(epoch from s.sealed_at - e.at)::float8) as waited
     from audit_entry e join audit_seal s on s.org_id = e.org_id and s.number = e.number where e.number > $1`,
    [from[0].number],
  );
  const [median, p99, most] = rows[0].waited.map((seconds) => round(seconds, 2));
  const found = {
    perSecond: round((count - refused) / SECONDS),
    refused,
    median,
    p99,
    most,
    after: round((performance.now() - stopped) / 1000, 2),
  };
  say(`sealing: ${JSON.stringify(found)}`);
  return found;
}

/** Waits until nothing waits. */
async function sealed({ owner }) {
  for (;;) {
    const { rows } = await owner.query('select from audit_unsealed limit 1');
    if (rows.length === 0) return;
    await sleep(50);
  }
}

/** What a long chain takes to seal, to verify and to export, and what the gateway holds meanwhile. */
async function readLong({ world, gateway }, { orgId, token }) {
  await sleep(1000);
  const measure = async (work) => {
    const before = memoryOf(gateway.pid).present;
    resetPeak(gateway.pid);
    const from = performance.now();
    const count = await work();
    const seconds = (performance.now() - from) / 1000;
    const found = { perSecond: round(count / seconds), more: round(memoryOf(gateway.pid).peak - before), count };
    say(JSON.stringify(found));
    return found;
  };
  const sealing = await measure(async () => {
    await world.owner.query(
      `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"bench"}', true))
       insert into repository (org_id, id, name, git_url)
       select $1, 'rep_long' || i, 'long-' || i, 'https://git.example/r' from act, generate_series(1, ${CHAINED}) as i`,
      [orgId],
    );
    await sealed(world);
    return CHAINED;
  });
  const verifying = await measure(async () => {
    let checked = 0;
    for (let from = 1, head = 1; from <= head; from += 10_000) {
      const query = `{ verifyAuditChain(from: ${from}) { ok checked headSequence } }`;
      const { verifyAuditChain: found } = await change(gateway, token, query);
      if (!found.ok) throw new Error(`the chain is broken: ${JSON.stringify(found)}`);
      checked += found.checked;
      head = found.headSequence;
    }
    return checked;
  });
  const exporting = await measure(async () => {
    const { exportAudit } = await change(gateway, token, 'mutation { exportAudit(input: { format: NDJSON }) { url } }');
    return linesAt(`${gateway.url}${new URL(exportAudit.url).pathname}`, token);
  });
  return { sealing, verifying, exporting };
}

function linesAt(url, token) {
  return new Promise((resolve, reject) => {
    get(url, { headers: { authorization: `Bearer ${token}` } }, (response) => {
      let count = 0;
      response.on('data', (chunk) => {
        for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) count += 1;
      });
      response.on('error', reject).on('end', () => resolve(count));
    }).on('error', reject);
  });
}

/** The first page of each filter, the last one, and one from the middle of its time. */
async function readPages({ world, wire, gateway }, { token }) {
  const replay = new Replay(world.owner);
  const results = [];
  /** In the middle of the time that is asked for: a list has no cursor that is outside. */
  const middle = (cursor, { from = '2024-12-01', before = '2026-12-01' }) => {
    const [scope, order, , id] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const at = new Date((Date.parse(from) + Date.parse(before)) / 2).toISOString();
    return Buffer.from(JSON.stringify([scope, order, at, id])).toString('base64url');
  };
  for (const filter of filters()) {
    const page = (more) =>
      `{ auditLog${write({ ...more, ...(Object.keys(filter).length > 0 && { filter }) })} { nodes { id sequence } pageInfo { endCursor } } }`;
    const time = async (name, query) => {
      const { auditLog } = await change(gateway, token, query);
      const http = [];
      let batches = [];
      for (let count = 0; count < 3; count += 1) {
        wire.take();
        const from = performance.now();
        await change(gateway, token, query);
        http.push(performance.now() - from);
        batches = wire.take().filter((batch) => batch.some(({ text }) => /from "?audit_entry/.test(text)));
      }
      const databaseMs = round(await replay.time(batches), 2);
      const title = `auditLog${write(filter)}, ${name}`;
      results.push({
        title,
        databaseMs,
        httpMs: round(http.toSorted((a, b) => a - b)[1], 1),
        rows: auditLog.nodes.length,
      });
      if (databaseMs > BOUND_MS) say(`${databaseMs} ms  ${title}`);
      return auditLog;
    };
    const { pageInfo } = await time('first page', page({ first: 100 }));
    if (pageInfo.endCursor)
      await time('from the middle', page({ first: 100, after: middle(pageInfo.endCursor, filter) }));
    await time('last page', page({ last: 100 }));
  }
  return results;
}

function report({ sealing, long, pages, what }) {
  const slow = pages.filter(({ databaseMs }) => databaseMs > BOUND_MS);
  const slowest = pages.toSorted((a, b) => b.databaseMs - a.databaseMs).slice(0, 8);
  const each = { sealed: long.sealing, verified: long.verifying, exported: long.exporting };
  const text = `# Much of the record

\`npm run bench:log\` (${what.pages}).

${WRITERS} writers through the door of one gateway, each at its next create once the last is answered, for ${SECONDS} s. Seconds that an entry waits
for its place in the chain, and that the last ones waited for theirs once nobody wrote any more.

| writers | creates a second | median | of 99 in 100 | most | the last |
| --- | ---: | ---: | ---: | ---: | ---: |
${sealing.map((s) => `| ${s.whose} | ${s.perSecond} | ${s.median} | ${s.p99} | ${s.most} | ${s.after} |`).join('\n')}

${CHAINED.toLocaleString('en')} entries by one statement: how quickly they are sealed, by one replica, verified by \`verifyAuditChain\`, call after call, and exported to
a reader that takes what it gets; and how much memory the gateway took for it.

| entries | a second | MB more at the most |
| --- | ---: | ---: |
${Object.entries(each)
  .map(([name, { perSecond, more }]) => `| ${name} | ${perSecond} | ${more} |`)
  .join('\n')}

\`auditLog\` of an organization with ${entries.toLocaleString('en')} entries of two years: each filter that finds much, little and nothing, alone and in pairs; the first
page of 100, the last, and one from the middle. Milliseconds in the database by its own account, all statements of a request together that read
the record (the best of 5), and over HTTP. ${pages.length} requests; ${slow.length === 0 ? 'none' : slow.length} took the database longer than ${BOUND_MS} ms. The slowest:

| page | database | HTTP | rows |
| --- | ---: | ---: | ---: |
${slowest.map((p) => `| \`${p.title}\` | ${p.databaseMs} | ${p.httpMs} | ${p.rows} |`).join('\n')}
`;
  writeFileSync(`${directory}log.md`, text);
  console.log(`\n${text}`);
  if (slow.length > 0) process.exitCode = 1;
}
