import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { memoryOf } from '../measure/proc.mjs';
import { answered, freePort, launch, stop } from '../servers/start.mjs';
import { PROJECT } from '../settings.mjs';
import { AUDIENCE, ISSUER } from '../world/issuer.mjs';

/**
 * The gateway as `npm start` starts it, in the container, with a production's settings and every default left alone.
 *
 * @param {import('./container.mjs').Container} container
 */
export async function startInside(container, { gatewayUrl, ownerUrl }, jwksUri) {
  const port = await freePort();
  const { scripts } = JSON.parse(readFileSync(`${PROJECT}package.json`, 'utf8'));
  const [, ...nodeArguments] = scripts.start.replace('dist/main.js', `${PROJECT}dist/main.js`).split(' ');
  const [runtime, ...inside] = [...container.prefix, process.execPath];
  const { process: child, logFile } = launch('attacked', runtime, [...inside, ...nodeArguments], {
    NODE_ENV: 'production',
    PORT: String(port),
    METRICS_PORT: '0',
    DATABASE_URL: gatewayUrl,
    MIGRATION_DATABASE_URL: ownerUrl,
    ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    PUBLIC_URL: 'https://orgate.example',
    AUTH_ISSUERS: JSON.stringify([{ issuer: ISSUER, jwksUri, audience: AUDIENCE, algorithms: ['ES256'] }]),
    SHUTDOWN_DELAY_MS: '0',
  });
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  const url = `http://127.0.0.1:${port}`;
  await answered(url, child, logFile);
  const peak = { rssMb: 0, ...container.read(child.pid) };
  const look = () => {
    try {
      const { peakMb, killed } = container.read(child.pid);
      Object.assign(peak, { peakMb: peakMb ?? peak.peakMb, killed: killed ?? peak.killed });
      peak.rssMb = Math.max(peak.rssMb, memoryOf(child.pid).peak || 0);
    } catch {
      // It is gone, and what was seen last counts.
    }
    return peak;
  };
  const watch = setInterval(look, 200);
  return {
    url,
    ended,
    logFile,
    /** Peaks so far, in MB: of the process's own memory, and of all that the container counts. */
    look,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      clearInterval(watch);
      if (child.signalCode === null) await stop(child);
    },
  };
}
