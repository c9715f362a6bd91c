import { createRequire, register } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ModernFakeTimers } from '@jest/fake-timers';
import { ModuleMocker } from 'jest-mock';
import '../../../.config/typescript.js';

register('./file-hooks.js', import.meta.url);

const require = createRequire(import.meta.url);
const circus = require('jest-circus/runner');

Object.assign(process.env, JSON.parse(process.env.ORGATE_TEST_DATABASES)[Number(process.env.JEST_WORKER_ID) - 1]);

let files = 0;

/**
 * Runs a test file as Jest's own runner does, but for where modules come from: Node loads them, so that src and the
 * packages are loaded once for all files of a worker. Jest would load them anew for each, which takes longer than most
 * files do. A test file and what it needs of test/support stay its own (file-hooks.js).
 */
export default function runFile(globalConfig, config, environment, _runtime, testPath, sendMessageToJest) {
  // Jest maps stacks by what it transformed itself; Node knows the maps of what Node loaded.
  delete Error.prepareStackTrace;
  const runtime = {
    // Jest's state of a file lives in this module and in this list: a new one of each.
    requireInternalModule: (path) => {
      delete require.cache[path];
      delete globalThis[Symbol.for('EVENT_HANDLERS')];
      return require(path);
    },
    requireModule: require,
    setGlobalsForRuntime: (globals) => void (globalThis.jestGlobals = { ...globals, jest: mocks(config) }),
    unstable_shouldLoadAsEsm: () => true,
    unstable_importModule: (path) => import(`${pathToFileURL(path).href}?file=${(files += 1)}`),
    enterTestCode: () => undefined,
    leaveTestCode: () => undefined,
  };
  return circus.default(globalConfig, config, environment, runtime, testPath, sendMessageToJest);
}

/** What the tests use of Jest's object of that name. */
function mocks(config) {
  const mocker = new ModuleMocker(globalThis);
  const timers = new ModernFakeTimers({ config, global: globalThis });
  return {
    spyOn: mocker.spyOn.bind(mocker),
    restoreAllMocks: () => mocker.restoreAllMocks(),
    useFakeTimers: (options) => timers.useFakeTimers(options),
    useRealTimers: () => timers.useRealTimers(),
    advanceTimersByTime: (ms) => timers.advanceTimersByTime(ms),
  };
}
