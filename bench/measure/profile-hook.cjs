// Loaded into a server with --require: SIGWINCH starts a CPU profile, and the next one ends
// and writes it. (Of the signals that do nothing by themselves it is one that no server here listens to.)
const { writeFileSync } = require('node:fs');
const { Session } = require('node:inspector');

const session = new Session();
let running = false;
process.on('SIGWINCH', () => {
  if (!running) {
    running = true;
    session.connect();
    session.post('Profiler.enable');
    session.post('Profiler.setSamplingInterval', { interval: 200 });
    session.post('Profiler.start');
    return;
  }
  session.post('Profiler.stop', (error, result) => {
    if (error) console.error(error);
    else writeFileSync(process.env.BENCH_PROFILE, JSON.stringify(result.profile));
    session.disconnect();
    running = false;
  });
});
