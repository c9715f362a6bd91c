import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ClientLeftError } from '../../data/connection/client-left.js';
import { Stop } from '../../data/connection/org-connection.js';
import { ReadBound, readLimits } from '../../data/connection/read-bound.js';
import type { OrgId } from '../../data/id.js';
import { STILL_MS } from './http.js';
import { whenOver } from './when-over.js';

/** In so long a part is taken. */
const TAKEN_MS = 120_000;

/** As much as is taken in a millisecond of all parts together, at the least: eight KiB in a second. */
const LEAST_BYTES_A_MS = 8192 / 1000;

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
export function* takenInTime({ raw }: FastifyReply, text: string, inMs = TAKEN_MS): Generator<string> {
  const slow = setTimeout(() => raw.destroy(), inMs).unref();
  try {
    yield text;
  } finally {
    clearTimeout(slow);
  }
}

/**
 * Hands out the parts of what is read to an end, each to be taken in time. A part is small beside the whole, so whoever takes each in
 * the last moment would keep a place for days: they are cut off two minutes after whoever takes 8 KiB in a second. How long the parts
 * are in the making does not count.
 */
export class Taking {
  #bytes = 0;
  #waitedMs = 0;

  constructor(private readonly reply: FastifyReply) {}

  *part(text: string): Generator<string> {
    this.#bytes += Buffer.byteLength(text);
    const leftMs = TAKEN_MS + this.#bytes / LEAST_BYTES_A_MS - this.#waitedMs;
    const began = performance.now();
    yield* takenInTime(this.reply, text, Math.min(TAKEN_MS, leftMs));
    this.#waitedMs += performance.now() - began;
  }
}

/** Waits for so many seconds, or until the client is gone; the connection, on which nothing happens meanwhile, lasts. */
export async function pause({ raw }: FastifyReply, seconds: number): Promise<void> {
  const over = new AbortController();
  whenOver(raw, () => over.abort());
  raw.setTimeout(seconds * 1000 + STILL_MS);
  await wait(seconds * 1000, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
  raw.setTimeout(STILL_MS);
  if (over.signal.aborted) throw new ClientLeftError();
}

/** Notes that all of an export was taken, once it was. */
export function onceTaken(request: FastifyRequest, { raw }: FastifyReply, note: () => Promise<void>): void {
  whenOver(raw, () => {
    if (!raw.writableFinished) return;
    note().catch((err: unknown) => request.log.warn({ err }, 'that an export was read was not noted'));
  });
}
