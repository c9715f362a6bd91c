import { readFileSync, writeFileSync } from 'node:fs';
import { sdlOf } from '../gateway/graphql/serve-sdl.js';
import { createContract } from '../gateway/graphql/schema.js';
import { unsaidBreaks } from './breaking-changes.js';
import { readArguments } from './read-arguments.js';

const USAGE = `usage: npm run schema

Writes the contract, as clients' tools read it, to schema.graphql. What would break clients must stand in CHANGELOG.md, under
Unreleased; else nothing is written, and it ends with 1.`;

const SDL = new URL('../../schema.graphql', import.meta.url);
const CHANGELOG = new URL('../../CHANGELOG.md', import.meta.url);

readArguments(USAGE, {});
const sdl = sdlOf(createContract().schema);
const breaks = unsaidBreaks(readFileSync(SDL, 'utf8'), sdl, readFileSync(CHANGELOG, 'utf8'));
if (breaks.length > 0) {
  console.error(
    ['This breaks clients. Say so in CHANGELOG.md, with what they are to do:', ...breaks].join('\n- Breaking: '),
  );
  process.exit(1);
}
writeFileSync(SDL, sdl);
