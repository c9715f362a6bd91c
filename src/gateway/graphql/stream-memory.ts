import { getHeapStatistics } from 'node:v8';
import { busy } from '../../errors.js';
import { assertRoomIn, Shares } from '../../shares.js';
import { BodyBudget } from '../http/bodies/body-budget.js';

const KIB = 1024;

/** What open streams may keep in memory, in bytes: those of one person or key, of one organization, and of all together. */
const OF_ONE = 1024 * KIB;
const OF_ORGANIZATION = 8 * OF_ONE;
const TOGETHER = 32 * OF_ONE;

/** Measured: what a stream takes beside that, with its connection, its request, who asks, and what it is about to tell. */
const BYTES_A_STREAM = 96 * KIB;
/** How much of what the process may hold in memory streams may take by that. */
const SHARE_OF_HEAP = 1 / 4;

/** Whose stream it is. */
export interface Listener {
  readonly orgId: string;
  readonly person: string;
}

/**
 * Counts open streams, and what they keep of what they were asked with: each is small, and lasts for hours. So a few organizations that fill
 * all there is would keep all others out for as long: where there is no room, those give way that keep most.
 */
export class StreamMemory {
  readonly #ofPeople = new Shares();
  readonly #ofOrganizations = new BodyBudget({ everybody: TOGETHER, address: OF_ORGANIZATION });
  readonly #streams: BodyBudget;

  /** @param heapBytes what the process may hold in memory: in a small container a few thousand streams were all of it */
  constructor(heapBytes = getHeapStatistics().heap_size_limit) {
    this.#streams = new BodyBudget({ everybody: (heapBytes * SHARE_OF_HEAP) / BYTES_A_STREAM, address: Infinity });
  }

  /**
   * @param giveWay called when others need the room: cuts the stream off, and says whether it did; its client comes again
   * @returns what gives it back. @throws LIMIT_REACHED; SERVICE_UNAVAILABLE where there is no room, and nobody keeps more
   */
  hold({ orgId, person }: Listener, bytes: number, giveWay?: () => boolean): () => void {
    const ofOrganization = this.#ofOrganizations.of(orgId);
    assertRoomIn(
      [
        { used: this.#ofPeople.of(person), limit: 'bytes that streams of one person keep', max: OF_ONE },
        { used: ofOrganization, limit: 'bytes that streams of the organization keep', max: OF_ORGANIZATION },
      ],
      bytes,
      () => 'Open streams keep too much; close one, or ask for less in each.',
    );
    const stream = this.#streams.reserve(orgId, 1, giveWay);
    if (!stream) throw busy();
    const kept = this.#ofOrganizations.reserve(orgId, bytes, giveWay);
    if (!kept) {
      stream.release();
      throw busy();
    }
    const giveBack = this.#ofPeople.take([person], bytes);
    return () => {
      stream.release();
      kept.release();
      giveBack();
    };
  }
}

/** Measured: a value takes so much beside the characters of texts, a member with its name and the shape of its object. */
const BYTES_A_VALUE = 64;
const BYTES_A_MEMBER = 128;

/** What a value that came as JSON takes in memory, at the most. */
export function weighValue(value: unknown): number {
  if (typeof value === 'string') return BYTES_A_VALUE + 2 * value.length;
  if (typeof value !== 'object' || value === null) return BYTES_A_VALUE;
  let bytes = BYTES_A_VALUE;
  if (Array.isArray(value)) for (const each of value) bytes += weighValue(each);
  else for (const [name, each] of Object.entries(value)) bytes += BYTES_A_MEMBER + 2 * name.length + weighValue(each);
  return bytes;
}
