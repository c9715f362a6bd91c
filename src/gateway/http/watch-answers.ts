import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { whenOver } from './when-over.js';

/** How long a client may take to read its answer, and how often that is looked at. */
const ANSWER_TAKEN_MS = 60_000;
const LOOK_MS = 1000;

/** Cuts off whoever does not take an answer. @returns what is told of each that is handed out */
export function watchAnswers(app: FastifyInstance): (reply: FastifyReply) => void {
  /** The oldest first. */
  const untaken = new Map<ServerResponse, number>();
  const watch = setInterval(() => {
    const latest = performance.now() - ANSWER_TAKEN_MS;
    for (const [answer, since] of untaken) {
      if (since > latest) return;
      answer.destroy();
    }
  }, LOOK_MS).unref();
  app.addHook('onClose', (_, done) => {
    clearInterval(watch);
    done();
  });
  return ({ raw }) => {
    untaken.set(raw, performance.now());
    whenOver(raw, () => untaken.delete(raw));
  };
}
