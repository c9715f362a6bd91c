import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Says what is wrong with the messages of the newest commits, as CONTRIBUTING.md asks for them: of those that are not in
 * the branch they go to yet, else of the newest one. Merges say nothing of their own.
 */
const [root = fileURLToPath(new URL('..', import.meta.url))] = process.argv.slice(2);
const MOST = 72;
/** `scope: what is so now`, of one scope or several. */
const SUBJECT = /^\w[\w./, -]*: \S/;
/** One at the edge of a shallow clone has no parents to be known by. */
const MERGE = /^\w+\0Merge /;
/** What tools add says no why. */
const TRAILER = /^[A-Z][\w-]*-[Bb]y: /;

function git(...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function read(...range) {
  try {
    const log = git('log', '--no-merges', '--format=%h%x00%s%x00%b%x01', ...range);
    return log.split('\u0001\n').filter((commit) => commit !== '' && !MERGE.test(commit));
  } catch {
    return [];
  }
}

function* wrongWith(subject, body) {
  if (subject.length > MOST) yield `its subject has ${subject.length} characters, more than ${MOST}`;
  if (!SUBJECT.test(subject)) yield 'its subject names no scope: `scope: what is so now`';
  if (body.split('\n').every((line) => line.trim() === '' || TRAILER.test(line))) yield 'no body says why';
}

// What was unpacked somewhere may lie in another repository, and has no commits of its own.
const isClone = existsSync(path.join(root, '.git'));
const unmerged = isClone ? read('@{upstream}..HEAD') : [];
const commits = unmerged.length > 0 || !isClone ? unmerged : read('-1');
if (commits.length === 0) process.stdout.write('no commit to look at\n');
for (const commit of commits) {
  const [hash, subject, body] = commit.split('\0');
  for (const wrong of wrongWith(subject, body)) {
    process.stderr.write(`${hash} ${subject}\n  ${wrong}\n`);
    process.exitCode = 1;
  }
}
