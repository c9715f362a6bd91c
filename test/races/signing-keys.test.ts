import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { openDatabase } from '../../src/data/database.js';
import { createSigningKeys } from '../../src/identity/signing-keys.js';
import { createSeal } from '../../src/secrets/seal.js';
import { isPostgres } from '../support/server.js';
import { connectBeside } from './interleave.js';

const race = isPostgres ? test : test.skip;

race('ten replicas that start at once on an empty database sign with one key', async () => {
  const admin = await connectBeside();
  const name = `orgate_keys_${randomUUID().slice(0, 8)}`;
  await admin.query(`create database ${name}`);
  const url = new URL(process.env['ORGATE_TEST_URL'] as string);
  url.pathname = name;
  const database = await openDatabase({
    store: { url: url.href, migrationUrl: null },
    poolSize: 10,
    statementTimeoutMs: 10_000,
    preparedStatements: true,
    requireSeparateLogin: false,
    onStep: () => undefined,
  });
  try {
    const seal = createSeal([Buffer.alloc(32, 1).toString('base64')]);
    for (let round = 0; round < 5; round += 1) {
      await database.pool.queryAsLoginRole('delete from signing_key');
      const replicas = Array.from({ length: 10 }, () => createSigningKeys(database.pool, seal));
      await Promise.all(replicas.map((keys) => keys.keep()));
      const current = await Promise.all(replicas.map((keys) => keys.current()));
      expect(new Set(current.map(({ kid }) => kid)).size).toBe(1);
      expect(
        new Set(
          replicas.map((keys) =>
            keys
              .published()
              .map(({ kid }) => kid)
              .join(),
          ),
        ).size,
      ).toBe(1);
    }
  } finally {
    await database.close();
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  }
});
