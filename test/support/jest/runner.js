import { readFileSync } from 'node:fs';
import TestRunner from 'jest-runner';

const isAlone = ({ path }) => /^\/\*\*[^/]*@alone\b/.test(readFileSync(path, 'utf8'));

/**
 * Files run side by side, but for those whose first comment says `@alone`: they come last, one after the other. They
 * compare how long something takes, or take away what others would need.
 */
export default class Runner extends TestRunner {
  async runTests(tests, watcher, options) {
    const alone = tests.filter(isAlone);
    const others = tests.filter((test) => !alone.includes(test));
    if (others.length > 0) await super.runTests(others, watcher, options);
    if (alone.length === 0) return;
    this._globalConfig = { ...this._globalConfig, maxWorkers: 1 };
    await super.runTests(alone, watcher, options);
  }
}
