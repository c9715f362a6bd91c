import { readFileSync } from 'node:fs';
import '../../../.config/typescript.js';
import TestRunner from 'jest-runner';
import { openDatabases } from './databases.js';

const isAlone = ({ path }) => /^\/\*\*[^/]*@alone\b/.test(readFileSync(path, 'utf8'));

/** Most files need it, and databases open in other threads meanwhile. What is wrong with it, the file says. */
const loadServer = () => import('../../../src/server.ts').catch(() => undefined);

/**
 * Files run side by side, but for those whose first comment says `@alone`: they come last, one after the other. They
 * compare how long something takes, or take away what others would need. A single file runs in this very process, since
 * starting another takes as long as many a file does.
 */
export default class Runner extends TestRunner {
  async runTests(tests, watcher, options) {
    const isSingle = tests.length === 1;
    const workers = Math.min(tests.length, this._globalConfig.maxWorkers);
    // Teardown runs in this process too; this is how it finds what was opened here.
    [globalThis.testDatabases] = await Promise.all([openDatabases(workers), isSingle && loadServer()]);
    process.env.ORGATE_TEST_DATABASES = JSON.stringify(globalThis.testDatabases.map(({ env }) => env));
    if (isSingle) return super.runTests(tests, watcher, { ...options, serial: true });
    const alone = tests.filter(isAlone);
    const others = tests.filter((test) => !alone.includes(test));
    this._globalConfig = { ...this._globalConfig, maxWorkers: workers };
    if (others.length > 0) await super.runTests(others, watcher, options);
    if (alone.length === 0) return;
    this._globalConfig = { ...this._globalConfig, maxWorkers: 1 };
    await super.runTests(alone, watcher, options);
  }
}
