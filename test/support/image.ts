import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What the Dockerfile makes, made without Docker. */
export interface Image {
  /** Where its files are. */
  readonly files: string;
  readonly user: string;
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
  /** Whether nothing at all can be written in it: this machine has to allow for that. */
  readonly isReadOnly: boolean;
  /** Starts a command in it; as someone who may write nowhere, as far as this machine lets that be arranged. */
  start(command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess;
  /** Runs a command in it to its end. */
  run(command: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }>;
  remove(): Promise<void>;
}

/** A directory in the place of a stage's file system. */
interface Stage {
  readonly root: string;
  workdir: string;
  env: NodeJS.ProcessEnv;
}

/**
 * Takes the steps of the Dockerfile. What is not known here is an error: what is tried is what is built.
 *
 * @param built the project, where it is built already: it stands for the stage `build`. Null builds it
 */
export async function makeImage(built: string | null): Promise<Image> {
  const root = await mkdtemp(path.join(tmpdir(), 'orgate-image-'));
  await chmod(root, 0o755);
  const isInContext = await readContext();
  const stages = new Map<string, Stage>();
  let stage: Stage = { root: '', workdir: '/', env: {} };
  let isTaken = false;
  let [user, command, healthcheck] = ['', [] as string[], [] as string[]];
  const locate = ({ root: its, workdir }: Stage, name: string) => path.join(its, path.resolve(workdir, name));
  const sourceOf = (name: string, from: string | undefined): string => {
    if (from === undefined) return path.join(ROOT, name);
    if (from === 'build' && built !== null) return path.join(built, path.relative('/app', name));
    return locate(stages.get(from) as Stage, name);
  };

  const follow: Readonly<Record<string, (rest: string) => unknown>> = {
    FROM(rest) {
      const [, name = 'last'] = /^node:24-slim(?: AS (\w+))?$/.exec(rest) ?? [];
      isTaken = name === 'build' && built !== null;
      stage = { root: path.join(root, name), workdir: '/', env: {} };
      stages.set(name, stage);
    },
    WORKDIR(rest) {
      stage.workdir = rest;
      return mkdir(locate(stage, '.'), { recursive: true });
    },
    ENV(rest) {
      stage.env = { ...stage.env, ...Object.fromEntries(rest.split(' ').map((each) => each.split('='))) };
    },
    RUN(rest) {
      if (/(^|\s)\//.test(rest)) throw new Error(`${rest}: only what is in the stage may be named`);
      return run('sh', ['-ec', rest], { cwd: locate(stage, '.'), env: { ...HOST, ...stage.env } });
    },
    async COPY(rest) {
      const [, from, paths = ''] = /^(?:--from=(\w+) )?(.+)$/.exec(rest) ?? [];
      const [to = '', ...names] = paths.split(' ').reverse();
      for (const name of names) {
        // A file goes into a directory that is named with a slash; what is in a directory goes where it is to.
        const target = locate(stage, to.endsWith('/') ? to + path.basename(name) : to);
        const filter = (file: string) => from !== undefined || isInContext(path.relative(ROOT, file));
        await cp(sourceOf(name, from), target, { recursive: true, filter });
      }
    },
    USER: (rest) => (user = rest),
    EXPOSE: () => undefined,
    HEALTHCHECK: (rest) => (healthcheck = JSON.parse(/ CMD (\[.*\])$/.exec(rest)?.[1] ?? '')),
    CMD: (rest) => (command = JSON.parse(rest)),
  };
  for (const [word, rest] of await readDockerfile()) {
    const step = follow[word];
    if (!step) throw new Error(`${word} is not known here`);
    if (word === 'FROM' || !isTaken) await step(rest);
  }

  const { env } = stage;
  const files = locate(stage, '.');
  const { isReadOnly, confined } = await confine();
  const start: Image['start'] = (words, more) => {
    const [program = '', ...args] = [...confined, ...words];
    return spawn(program, args, { cwd: files, env: { ...HOST, ...env, ...more } });
  };
  return {
    files,
    user,
    command,
    healthcheck,
    isReadOnly,
    start,
    async run(words, more) {
      const child = start(words, more);
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, output };
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** The Node that runs this is the image's, and what was installed here before need not be fetched. */
const HOST = {
  PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}`,
  npm_config_cache: process.env['npm_config_cache'] ?? path.join(userInfo().homedir, '.npm'),
  npm_config_prefer_offline: 'true',
};

async function readDockerfile(): Promise<[word: string, rest: string][]> {
  const text = await readFile(path.join(ROOT, 'Dockerfile'), 'utf8');
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]);
}

/** What of the project is sent to where it is built, by .dockerignore: the last line that names a file decides. */
export async function readContext(): Promise<(file: string) => boolean> {
  const lines = (await readFile(path.join(ROOT, '.dockerignore'), 'utf8')).split('\n').filter((line) => line !== '');
  const names = lines.map((line) => ({ name: line.replace('!', ''), isKept: line.startsWith('!') }));
  return (file) =>
    file === '' || // all of it, of which each is asked about
    (names.findLast(({ name }) => name === '*' || file === name || file.startsWith(`${name}/`))?.isKept ?? true);
}

/** Nobody, to whom nothing belongs. */
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all'];
const READ_ONLY = `
  for each in / /tmp /var/tmp /dev/shm /run; do
    if mountpoint -q $each; then mount -o remount,bind,ro $each; fi
  done
  exec "$@"`;

/** The command that runs another as nobody, with every file system read-only: only root may arrange either. */
async function confine(): Promise<{ isReadOnly: boolean; confined: readonly string[] }> {
  if (userInfo().uid !== 0) return { isReadOnly: false, confined: [] };
  const readOnly = ['unshare', '--mount', 'sh', '-ec', READ_ONLY, 'sh'];
  const isReadOnly = await run('unshare', [...readOnly.slice(1), 'true']).then(
    () => true,
    () => false,
  );
  return { isReadOnly, confined: isReadOnly ? [...readOnly, ...NOBODY] : NOBODY };
}
