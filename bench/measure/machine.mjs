import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';
import { BENCH, PROJECT } from '../settings.mjs';
import { peerNode } from '../servers/start.mjs';

const output = (command, args) => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (error) {
    return String(error.stdout ?? '').trim(); // wrk says its version and fails
  }
};

const versionIn = (root, name) => JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, 'utf8')).version;

/** What the figures were measured on: nothing that tells whose machine it is. */
export async function describeMachine({ owner }) {
  const settings = {};
  for (const name of ['server_version', 'shared_buffers', 'fsync', 'synchronous_commit', 'max_connections']) {
    settings[name] = (await owner.query(`show ${name}`)).rows[0][name];
  }
  const os = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? platform();
  return {
    cores: availableParallelism(),
    cpu: cpus()[0].model,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    os: `${os}, ${arch()}`,
    loadBefore: loadavg()[0],
    node: process.version,
    peerNode: output(peerNode(), ['--version']),
    wrk: /^wrk (?:debian\/)?(\S+)/.exec(output('wrk', ['--version']))?.[1] ?? 'unknown',
    postgres: settings,
    packages: {
      orgate: JSON.parse(readFileSync(`${PROJECT}package.json`, 'utf8')).version,
      '@apollo/server': versionIn(PROJECT, '@apollo/server'),
      fastify: versionIn(PROJECT, 'fastify'),
      'graphql-shield': versionIn(PROJECT, 'graphql-shield'),
      '@prisma/client': versionIn(PROJECT, '@prisma/client'),
      postgraphile: versionIn(BENCH, 'postgraphile'),
      grafast: versionIn(BENCH, 'grafast'),
    },
  };
}
