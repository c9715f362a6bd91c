import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { tellWhenWaiting } from '../../data/connection/org-connection.js';
import { busy } from '../../errors.js';
import { spreadOut } from '../../spread-out.js';
import { asError } from '../../thrown.js';
import { whenOver } from './when-over.js';

/**
 * How many requests are at work at a time: as many as keep the one thread busy, and no more, since they only make each
 * other slower. Where the database is near that is a handful, where it is far away it is dozens.
 */
const FEWEST = 2;
const FIRST = 8;
const MOST = 64;
/** As many more as the slots are for whoever holds few: what one organization has under way keeps no other out. */
const ROOM = 4;

/** Of one organization. */
export const MAX_WAITING = 500;
const WAIT_MS = 10_000;
/** Whoever is at work for so long waits for something else than the thread, and needs no slot for that. */
const SLOW_MS = 50;
/** What each is taken to be at work for when it begins. */
const LEAST_MS = 1;

/** How often it is looked at how busy the thread was, and what share of its time is enough, and too much. */
const LOOK_MS = 25;
const ENOUGH = 0.92;
const TOO_MUCH = 0.97;

/** Whoever has so many waiting fills the thread for as long as it likes. */
const MANY = 8;
/** What is enough and too much while others come beside them: these find the thread free, and what is left of it goes to the many. */
const SPARING = { enough: 0.7, tooMuch: 0.8, fewest: 1 };
const FILLING = { enough: ENOUGH, tooMuch: TOO_MUCH, fewest: FEWEST };
/** For so long after one of these came. */
const SPARED_MS = 1000;

const { eventLoopUtilization } = performance;

/** The right to be worked at. Given back once; more often does no harm. */
export interface Slot {
  leave(): void;
}

interface Lane {
  readonly who: string;
  taken: number;
  /** When its next turn is, in milliseconds of being at work, as if each lane had a thread of its own. */
  turn: number;
  readonly waiting: Set<Waiter>;
}

const holdsFew = ({ taken, waiting }: Lane): boolean => taken < (waiting.size < MANY ? FEWEST : 1);

interface Taken extends Slot {
  readonly since: number;
}

interface Waiter {
  readonly since: number;
  grant(): void;
  /** Does nothing where the wait is over. */
  refuse(): void;
}

/**
 * Who is worked at, on the one thread that there is. Organizations take turns (start-time fair queueing): however many
 * requests one of them sends, another's stands behind one of them.
 */
export class Slots {
  readonly #lanes = new Map<string, Lane>();
  /** The longest at work first. */
  readonly #taken = new Set<Taken>();
  readonly #tell = spreadOut();
  #slots = FIRST;
  /** The turn of whoever was let in last. */
  #turn = 0;
  #waiting = 0;
  /** How many lanes have many waiting, and until when these are held to less, since others came. */
  #heavy = 0;
  #sparingUntil = 0;
  #looked;
  #lookedAt = 0;
  #isBusy = false;
  #isWatching = false;

  /**
   * @param tellWait told of each wait that is over, and whether it was in vain
   * @param thread says how busy it was
   */
  constructor(
    private readonly tellWait: (ms: number, isInVain: boolean) => void = () => undefined,
    private readonly thread: { eventLoopUtilization: typeof eventLoopUtilization } = { eventLoopUtilization },
  ) {
    this.#looked = thread.eventLoopUtilization();
  }

  get waiting(): number {
    return this.#waiting;
  }
  get remembered(): number {
    return this.#lanes.size;
  }

  /**
   * A slot at once where there is one, and else when there is.
   *
   * @param onOver calls when the client is gone: then it waits no longer
   * @throws SERVICE_UNAVAILABLE when too many wait already, or none comes in time
   */
  take(who: string, onOver: (then: () => void) => void): Slot | Promise<Slot> {
    this.#look();
    let lane = this.#lanes.get(who);
    if (!lane) this.#lanes.set(who, (lane = { who, taken: 0, turn: this.#turn, waiting: new Set() }));
    if (this.#heavy > 0 && lane.waiting.size === 0) this.#sparingUntil = performance.now() + SPARED_MS;
    if (this.#waiting === 0 && this.#taken.size < this.#slots) return this.#grant(lane);
    if (lane.waiting.size === 0 && (this.#isLetBy(lane) || this.#hasRoomFor(lane))) return this.#grant(lane);
    if (lane.waiting.size < MAX_WAITING) return this.#wait(lane, onOver);
    return new Promise((_, reject) => this.#tell(() => reject(busy())));
  }

  /** While the thread has time, those who wait for something else keep out nobody who has little under way. */
  #isLetBy(lane: Lane): boolean {
    return !this.#isBusy && holdsFew(lane);
  }

  /** However busy the thread is, and though others wait: they hold what they may. */
  #hasRoomFor(lane: Lane): boolean {
    return holdsFew(lane) && this.#taken.size < this.#slots + ROOM;
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    const before = this.#looked;
    this.#looked = this.thread.eventLoopUtilization();
    const { utilization } = this.thread.eventLoopUtilization(this.#looked, before);
    this.#isBusy = utilization > ENOUGH;
    const { enough, tooMuch, fewest } = now < this.#sparingUntil ? SPARING : FILLING;
    if (utilization > tooMuch) this.#slots = Math.max(Math.floor(this.#slots * 0.8), fewest);
    else if (utilization < enough && this.#waiting > 0) this.#slots = Math.min(this.#slots + 1, MOST);
  }

  #grant(lane: Lane): Slot {
    this.#turn = Math.max(this.#turn, lane.turn);
    lane.turn = this.#turn + LEAST_MS;
    lane.taken += 1;
    const since = performance.now();
    const slot: Taken = {
      since,
      leave: () => {
        if (!this.#taken.delete(slot)) return;
        lane.taken -= 1;
        lane.turn += Math.max(performance.now() - since - LEAST_MS, 0);
        this.#letIn();
        this.#forget(lane);
      },
    };
    this.#taken.add(slot);
    return slot;
  }

  #wait(lane: Lane, onOver: (then: () => void) => void): Promise<Slot> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting -= 1;
        if (lane.waiting.size === MANY) this.#heavy -= 1;
        lane.waiting.delete(waiter);
      };
      const waiter: Waiter = {
        since: performance.now(),
        grant: () => {
          leave();
          this.tellWait(performance.now() - waiter.since, false);
          resolve(this.#grant(lane));
        },
        refuse: () => {
          if (!lane.waiting.has(waiter)) return;
          leave();
          this.tellWait(performance.now() - waiter.since, true);
          this.#forget(lane);
          this.#tell(() => reject(busy()));
        },
      };
      lane.waiting.add(waiter);
      if (lane.waiting.size === MANY) this.#heavy += 1;
      this.#waiting += 1;
      onOver(waiter.refuse);
      this.#watch();
    });
  }

  #letIn(): void {
    while (this.#waiting > 0) {
      const isFree = this.#taken.size < this.#slots;
      let next: Lane | undefined;
      for (const lane of this.#lanes.values()) {
        if (lane.waiting.size === 0 || (next && lane.turn >= next.turn)) continue;
        if (isFree || this.#hasRoomFor(lane)) next = lane;
      }
      const [first] = next?.waiting ?? [];
      if (!first) return;
      first.grant();
    }
  }

  /** Those who came while the thread was busy, and find that it only seemed so: a few at a time, or it would be. */
  #letBy(): void {
    let left = this.#slots;
    for (const lane of this.#lanes.values()) {
      for (const waiter of lane.waiting) {
        if (left === 0 || !this.#isLetBy(lane)) break;
        left -= 1;
        waiter.grant();
      }
    }
  }

  #forget(lane: Lane): void {
    if (lane.taken === 0 && lane.waiting.size === 0) this.#lanes.delete(lane.who);
  }

  /** One timer for all who wait, as long as anyone does. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    setTimeout(() => {
      this.#isWatching = false;
      this.#look();
      const now = performance.now();
      for (const { waiting } of this.#lanes.values()) {
        for (const waiter of waiting) {
          if (waiter.since > now - WAIT_MS) break; // they stand in the order in which they came
          waiter.refuse();
        }
      }
      for (const slot of this.#taken) {
        if (slot.since >= now - SLOW_MS) break;
        slot.leave();
        // Where all are slow since the thread is busy, giving up all their slots would have it do even more at a time.
        if (this.#isBusy) break;
      }
      this.#letIn();
      this.#letBy();
      if (this.#waiting > 0) this.#watch();
    }, LOOK_MS).unref();
  }
}

/**
 * Does something of a request in a slot that is left after it: what comes next, such as a body, takes as long as its client
 * likes. Whoever is not known yet stands in the lane of their address.
 *
 * @throws SERVICE_UNAVAILABLE
 */
export async function inSlot<T>(slots: Slots, who: string, { raw }: FastifyReply, work: () => Promise<T>): Promise<T> {
  const slot = await slots.take(who, (then) => whenOver(raw, then));
  try {
    return await work();
  } finally {
    slot.leave();
  }
}

/** Has whoever asks at a door without being known stand in the lane of their address, once their request came whole. */
export function slotByAddress(door: FastifyInstance, slots: Slots): void {
  door.addHook('preHandler', (request, reply, done) => {
    takeSlot(slots, request.network, [request, reply], done, (error) => done(asError(error)));
  });
  door.addHook('onSend', (request, _reply, payload, done) => {
    request.slot?.leave();
    done(null, payload);
  });
}

declare module 'fastify' {
  interface FastifyRequest {
    slot: Slot | null;
  }
}

/**
 * Goes on once the request may be worked at, which it is until its slot is left, its client gone, or it waits for a transaction.
 *
 * @param refuse is told SERVICE_UNAVAILABLE
 */
export function takeSlot(
  slots: Slots,
  who: string,
  [request, reply]: readonly [FastifyRequest, FastifyReply],
  goOn: () => void,
  refuse: (error: unknown) => void,
): void {
  const onOver = (then: () => void) => whenOver(reply.raw, then);
  const begin = (slot: Slot) => {
    request.slot = slot;
    onOver(slot.leave);
    tellWhenWaiting(slot.leave);
    goOn();
  };
  const taken = slots.take(who, onOver);
  if (taken instanceof Promise) taken.then(begin, refuse);
  else begin(taken);
}
