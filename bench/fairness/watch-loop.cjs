// Loaded into the gateway with --require: SIGWINCH writes how long its event loop was held since the last one, in
// milliseconds, and begins anew. (Of the signals that do nothing by themselves it is one that the gateway does not listen to.)
const { renameSync, writeFileSync } = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');

const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on('SIGWINCH', () => {
  const file = process.env.BENCH_PROFILE;
  const ms = (nanoseconds) => Math.max(Math.round(nanoseconds / 1e5) / 10 - RESOLUTION_MS, 0);
  writeFileSync(`${file}.part`, JSON.stringify({ p99: ms(delay.percentile(99)), max: ms(delay.max) }));
  renameSync(`${file}.part`, file);
  delay.reset();
});
