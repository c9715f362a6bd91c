import type { FastifyReply, FastifyRequest } from 'fastify';
import { Stop } from '../../data/connection/org-connection.js';
import { ReadBound, readLimits } from '../../data/connection/read-bound.js';
import type { OrgId } from '../../data/id.js';
import { whenOver } from './when-over.js';

/** In so long a part is taken. */
const TAKEN_MS = 120_000;

/** What an answer reads part by part: bounded, and over with its client. */
export function boundParts(reply: FastifyReply, maxAnswer: number, orgId: OrgId): { bound: ReadBound; stop: Stop } {
  const bound = new ReadBound(readLimits(maxAnswer));
  bound.belongTo(orgId);
  const stop = new Stop(bound);
  whenOver(reply.raw, () => {
    bound.release();
    stop.stop();
  });
  return { bound, stop };
}

/** A part. Whoever takes a byte now and then would keep a place from others, and is cut off. */
export function* takenInTime({ raw }: FastifyReply, text: string): Generator<string> {
  const slow = setTimeout(() => raw.destroy(), TAKEN_MS).unref();
  yield text;
  clearTimeout(slow);
}

/** Notes that all of an export was taken, once it was. */
export function onceTaken(request: FastifyRequest, { raw }: FastifyReply, note: () => Promise<void>): void {
  whenOver(raw, () => {
    if (!raw.writableFinished) return;
    note().catch((err: unknown) => request.log.warn({ err }, 'that an export was read was not noted'));
  });
}
