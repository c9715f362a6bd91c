import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { drive, writeRequests } from './measure/load.mjs';
import { cpuOf } from './measure/proc.mjs';
import { CONTESTANTS, startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked, removeCreated } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';
import { OPERATIONS } from './world/operations.mjs';
import { prepareRequests } from './world/requests.mjs';

// Where a gateway's CPU goes: npm run --prefix bench profile -- get nested [walls|open|peer]
// Prints, for one request, microseconds by package and by function.

const words = process.argv.slice(2);
const names = words.filter((word) => word in CONTESTANTS);
const operations = words.filter((word) => OPERATIONS.some(({ name }) => name === word));
if (operations.length === 0 || names.length + operations.length !== words.length) {
  console.error(
    `usage: node profile.mjs ${OPERATIONS.map(({ name }) => name).join('|')} … [${Object.keys(CONTESTANTS).join('|')}]`,
  );
  process.exit(2);
}
const [name = 'walls'] = names;
const settings = { ...readSettings([]), organizations: 200 };
const world = await createWorld(settings, 'orgate_bench_profile', 0);
const issuer = await openIssuer();
const organizations = await readAsked(world, settings);
for (const organization of organizations)
  organization.token = await issuer.sign(organization.subject, organization.orgId);
mkdirSync(`${BENCH}work`, { recursive: true });
const profileFile = `${BENCH}work/profile.cpuprofile`;
process.env.BENCH_PROFILE = profileFile;
const start = { jwksUri: issuer.jwksUri, settings, world };

for (const operation of operations) {
  const gateway = await startGateway(name, {
    ...start,
    nodeArguments: ['--require', `${BENCH}measure/profile-hook.cjs`],
  });
  const requests = await prepareRequests(gateway.kind, gateway.url, organizations);
  const file = writeRequests('profile', requests.get(operation));
  await drive(gateway.url, file, { ...settings, seconds: 8 });
  rmSync(profileFile, { force: true });
  process.kill(gateway.pid, 'SIGWINCH');
  const before = cpuOf(gateway.pid);
  const { requests: count, perSecond } = await drive(gateway.url, file, { ...settings, seconds: 8 });
  const cpu = (cpuOf(gateway.pid) - before) / count;
  process.kill(gateway.pid, 'SIGWINCH');
  while (!existsSync(profileFile)) await new Promise((resolve) => setTimeout(resolve, 100));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  console.log(
    `\n## ${operation}, ${CONTESTANTS[name].title}: ${perSecond.toFixed(0)}/s, ${cpu.toFixed(3)} ms CPU a request`,
  );
  print(JSON.parse(readFileSync(profileFile, 'utf8')), count);
  await gateway.stop();
  await removeCreated(world);
}
await dropWorld(settings, world);
issuer.close();

function print(profile, requests) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  for (const node of profile.nodes) for (const child of node.children ?? []) nodes.get(child).parent = node;
  const own = new Map();
  profile.samples.forEach((id, index) => own.set(id, (own.get(id) ?? 0) + profile.timeDeltas[index]));
  const packages = new Map();
  const functions = new Map();
  const inclusive = new Map();
  for (const [id, micros] of own) {
    const node = nodes.get(id);
    if (node.callFrame.functionName === '(idle)') continue;
    add(packages, packageOf(node), micros);
    add(functions, label(node), micros);
    const seen = new Set();
    for (let at = node; at; at = at.parent) {
      const key = label(at);
      if (!seen.has(key)) add(inclusive, key, micros);
      seen.add(key);
    }
  }
  const total = [...packages.values()].reduce((sum, micros) => sum + micros, 0);
  const show = (title, map, most) => {
    console.log(`\n${title}`);
    for (const [key, micros] of [...map].sort((a, b) => b[1] - a[1]).slice(0, most)) {
      console.log(
        `${(micros / requests).toFixed(0).padStart(7)} µs ${((micros / total) * 100).toFixed(1).padStart(5)} %  ${key}`,
      );
    }
  };
  show('by package (what is native counts for its caller)', packages, 30);
  show('by function, itself', functions, 45);
  show('by function, with what it calls', inclusive, Number(process.env.BENCH_INCLUSIVE ?? 70));
}

function add(map, key, micros) {
  map.set(key, (map.get(key) ?? 0) + micros);
}

function packageOf(node) {
  if (/^\((garbage collector|program)\)$/.test(node.callFrame.functionName)) return node.callFrame.functionName;
  for (let at = node; at; at = at.parent) {
    const { url } = at.callFrame;
    if (url === '') continue;
    const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
    if (name) return name;
    if (url.startsWith('node:')) return url.replace(/^(node:[^/]+(?:\/[^/]+)?).*/, '$1');
    return url.replace(`file://${PROJECT}`, '');
  }
  return '(native)';
}

function label({ callFrame: { functionName, url, lineNumber } }) {
  const file = url
    .replace('file://', '')
    .replace(PROJECT, '')
    .replace(/.*node_modules\//, '');
  return `${functionName || '(anonymous)'}  ${file}${file ? `:${lineNumber + 1}` : ''}`;
}
