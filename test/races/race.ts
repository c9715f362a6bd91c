import { test } from '@jest/globals';
import { isPostgres } from '../support/server.js';

/** A test of what happens at once: on PostgreSQL, where connections are real. */
export const race = isPostgres ? test : test.skip;

if (!isPostgres) {
  test.skip('skipped: the embedded database has one connection and proves nothing about races; set TEST_DATABASE_URL', () =>
    undefined);
}
