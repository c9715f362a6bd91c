import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

const BUNDLE = fileURLToPath(new URL('../../../dist/graphiql', import.meta.url));

/** Everything comes from this server; the editor sets styles from script, and runs its language services in workers. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Serves GraphiQL at / and /graphiql, from the bundle that `npm run build` makes. */
export async function serveGraphiQL(app: FastifyInstance): Promise<void> {
  if (!existsSync(BUNDLE)) throw new Error('GraphiQL is not built; run `npm run build`, or set GRAPHIQL=false.');
  await app.register(fastifyStatic, {
    root: BUNDLE,
    serve: true,
    prefix: '/graphiql/',
    index: false,
    // File names carry a hash of what is in them.
    immutable: true,
    maxAge: '1y',
  });
  for (const url of ['/', '/graphiql']) {
    app.get(url, (_request, reply) =>
      reply.header('content-security-policy', PAGE_POLICY).sendFile('index.html', { cacheControl: false }),
    );
  }
}
