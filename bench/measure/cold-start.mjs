import { readFileSync, rmSync } from 'node:fs';
import { freePort, launch, stop, UNREACHED_LIMITS } from '../servers/start.mjs';
import { BENCH, PROJECT } from '../settings.mjs';
import { ask } from '../world/requests.mjs';
import { drive, writeRequests } from './load.mjs';
import { memoryOf } from './proc.mjs';

const BODY = JSON.stringify({ query: '{ repositories(first: 20) { nodes { id name gitUrl } } }' });

/**
 * The gateway on its embedded database, as someone meets it who has just cloned it: from the start of the process to the
 * first answer with rows in it, on a database that an earlier start has filled; then its memory under load.
 */
export async function measureColdStart({ coldStarts, embeddedSeconds, connections }) {
  const dataDirectory = `${BENCH}work/embedded`;
  rmSync(dataDirectory, { recursive: true, force: true });
  const first = await startEmbedded(dataDirectory);
  await stop(first.child);
  const starts = [];
  let memory;
  let perSecond = 0;
  for (let index = 0; index < coldStarts; index += 1) {
    const { child, url, request, ms } = await startEmbedded(dataDirectory);
    starts.push(ms);
    if (index === coldStarts - 1) {
      const file = writeRequests('embedded', [request]);
      ({ perSecond } = await drive(url, file, { seconds: embeddedSeconds, connections }));
      memory = memoryOf(child.pid);
    }
    await stop(child);
  }
  rmSync(dataDirectory, { recursive: true, force: true });
  return { firstStartMs: first.ms, startsMs: starts, peakMb: memory.peak, perSecond };
}

async function startEmbedded(dataDirectory) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const began = performance.now();
  const { process: child, logFile } = launch(
    'embedded',
    process.execPath,
    ['--enable-source-maps', `${PROJECT}dist/main.js`],
    {
      NODE_ENV: 'development',
      ...UNREACHED_LIMITS,
      PORT: String(port),
      METRICS_PORT: '0',
      DATA_DIR: dataDirectory,
    },
  );
  let token;
  for (;;) {
    try {
      token ??= await developmentToken(dataDirectory);
      const data = await ask(url, { token, body: BODY });
      if (data.repositories.nodes.length === 0) throw new Error('the demo data is missing');
      return { child, url, request: { token, body: BODY }, ms: performance.now() - began };
    } catch (error) {
      if (child.exitCode !== null || performance.now() - began > 60_000) {
        throw new Error(`the embedded gateway did not start:\n${readFileSync(logFile, 'utf8').slice(-3000)}`, {
          cause: error,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

async function developmentToken(dataDirectory) {
  const { openDevelopmentIssuer } = await import(`${PROJECT}dist/development/issuer.js`);
  return (await openDevelopmentIssuer(dataDirectory)).issue('ann@acme.example', null, 'acme');
}
