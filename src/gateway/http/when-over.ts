import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * Calls once an answer is over: taken, or never to be taken because its client is gone. Whoever is gone already is over
 * at once; nobody would tell of it again.
 */
export function whenOver(response: ServerResponse, then: () => void): void {
  if (response.closed) return then();
  const known = waiting.get(response);
  if (known) return void known.push(then);
  const all = [then];
  waiting.set(response, all);
  response.once('close', () => {
    for (const each of all) each();
  });
}

/** One listener each: a dozen parts wait for an answer to be over, and Node warns of so many. */
const waiting = new WeakMap<ServerResponse, (() => void)[]>();

/**
 * Tells of each request once: when its work is done, and its answer was taken or its client is gone. Fastify's own hook is
 * silent about whoever does not wait for the answer, and what they asked for has been done all the same.
 */
export function onceDone(app: FastifyInstance, tell: (request: FastifyRequest, reply: FastifyReply) => void): void {
  const told = new WeakSet<FastifyRequest>();
  app.addHook('onSend', (request, reply, payload, done) => {
    // An answer that could not be printed is made anew.
    if (!told.has(request)) whenOver(reply.raw, () => tell(request, reply));
    told.add(request);
    done(null, payload);
  });
}
