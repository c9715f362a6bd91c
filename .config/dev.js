import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync, watch } from 'node:fs';
import { fileURLToPath } from 'node:url';
import './typescript.js';
import { compile } from './typescript-hooks.js';

/**
 * `npm run dev`: the gateway from TypeScript, started anew whenever a file of src, schema or prisma was saved. What is
 * generated is generated before, and the database migrated by the start. The embedded database stays open here while
 * servers come and go, and the next server waits with the packages loaded; a change of how it is opened needs a new
 * `npm run dev`. The port stays, and with it what GraphiQL keeps in the browser. Types are not checked here: `npm run check` does.
 */
const ROOT = new URL('../', import.meta.url);
const WATCHED = {
  src: /^src\/(?!generated\/).*\.ts$/,
  schema: /\.graphql$/,
  prisma: /\.(prisma|sql|json)$/,
  test: /^test\/(?!generated\/).*\.ts$/,
};
// Editors save in several steps, and a checkout changes many files.
const SETTLED_MS = 50;

const PRISMA = ['node_modules/prisma/build/index.js', 'generate'];
const DOCUMENTS = ['.config/documents.js'];
const GRAPHQL = ['node_modules/@graphql-codegen/cli/esm/bin.js', '--config', 'codegen.ts', '--silent'];
/** What is to be generated anew after a change. The types of the contract name the models, too. */
const GENERATORS = [
  [/^prisma\/.*\.prisma$/, [PRISMA, GRAPHQL]],
  [/^schema\//, [GRAPHQL, DOCUMENTS]],
  [/^test\//, [DOCUMENTS]],
  [/^src\/domains\/[^/]+\/parent\.ts$/, [GRAPHQL]],
];

const run = (args, stdio, env = process.env) => spawn(process.execPath, args, { cwd: ROOT, stdio, env });
const isOver = ({ exitCode, signalCode }) => exitCode !== null || signalCode !== null;

/** The embedded database, opened once; null where there is another, or the settings are wrong, which a server says. */
const opened = await openEmbedded().catch((error) => {
  console.error(`orgate cannot start. ${error.message}`);
  process.exit(1);
});

async function openEmbedded() {
  const [{ readConfig }, { openEmbeddedDatabase }] = await Promise.all([
    import('../src/config/config.ts'),
    import('../src/data/start/embedded.ts'),
  ]);
  const config = await Promise.resolve()
    .then(readConfig)
    .catch(() => null);
  if (config === null || config.databaseUrl !== null) return null;
  return openEmbeddedDatabase(config.dataDirectory, () => {
    console.error(
      'The embedded database has crashed. Nothing that was answered is lost: mend what is wrong, and start anew.',
    );
    void end().then(() => process.exit(1));
  });
}

/** A server that waits until it is told to serve. */
function prepare() {
  const env = opened ? { ...process.env, ORGATE_DEV_SOCKET: opened.socketDirectory } : process.env;
  return run(['.config/dev-server.js', ...process.argv.slice(2)], ['inherit', 'inherit', 'inherit', 'ipc'], env);
}

let spare = prepare();

function start() {
  const child = isOver(spare) ? prepare() : spare;
  child.send('serve');
  child.once('exit', (code) => code && console.log('\nIt starts anew once a file is saved.'));
  // The next is not loaded beside one that starts.
  child.once('message', () => (spare = prepare()));
  return child;
}

async function end() {
  if (isOver(child)) return;
  child.kill();
  await once(child, 'exit');
}

/** What generators say of their work is shown where it failed. @returns whether all was generated */
async function generate(files) {
  const due = new Set(GENERATORS.flatMap(([made, by]) => (files.some((file) => made.test(file)) ? by : [])));
  for (const args of due) {
    const generator = run(args, ['ignore', 'pipe', 'pipe']);
    const said = [];
    for (const stream of [generator.stdout, generator.stderr]) stream.on('data', (chunk) => said.push(chunk));
    const [code] = await once(generator, 'close');
    if (code === 0) continue;
    console.error(`${Buffer.concat(said).toString()}\nNothing was started anew.`);
    return false;
  }
  return true;
}

let child = start();
let turn = Promise.resolve();
let timer;
const saved = new Set();

async function restart() {
  const files = [...saved];
  saved.clear();
  if (files.length === 0) return;
  const isServed = files.some((file) => !file.startsWith('test/'));
  if (isServed) console.log(`\n${files.join(', ')} saved.`);
  // What is generated is not half there for whoever is served meanwhile: it is read at the start.
  if (!(await generate(files)) || !isServed) return;
  const changed = files.filter(
    (file) => file.startsWith('src/') && statSync(new URL(file, ROOT), { throwIfNoEntry: false }),
  );
  await Promise.all([end(), compileAll(changed)]);
  child = start();
}

/** Here the compiler is loaded already. What does not compile, the server says. */
async function compileAll(files) {
  for (const file of files) {
    try {
      compile(fileURLToPath(new URL(file, ROOT)));
    } catch {
      return;
    }
  }
}

function note(file) {
  if (!WATCHED[file.split('/')[0]].test(file)) return;
  saved.add(file);
  clearTimeout(timer);
  timer = setTimeout(() => {
    turn = turn.then(restart);
  }, SETTLED_MS);
}

/** Folder by folder: Node's recursive watching loses a file that an editor saves by putting another in its place. */
function watchFolder(folder) {
  const at = new URL(`${folder}/`, ROOT);
  watch(at, (_event, name) => {
    const file = `${folder}/${name}`;
    if (statSync(new URL(name, at), { throwIfNoEntry: false })?.isDirectory()) watchFolder(file);
    note(file);
  }).on('error', () => undefined); // the folder is gone
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    if (entry.isDirectory()) watchFolder(`${folder}/${entry.name}`);
  }
}

for (const folder of Object.keys(WATCHED)) watchFolder(folder);

async function leave() {
  spare.kill();
  await end();
  await opened?.close();
  process.exit(0);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void leave());
