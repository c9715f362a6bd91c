import type { RequestContext } from '../context/context.js';
import type { LockedDb } from '../data/organization/organization-db.js';
import { OrgateError } from '../errors.js';
import { isOfStay, nowInStay } from '../identity/stay.js';
import { codeOf } from '../thrown.js';

/** How long a link to what is taken away works. */
const LINK_MS = 10 * 60_000;

/** How long it is kept after that: who began to read in time is told to have read it to its end. */
export const KEPT_MS = 24 * 3_600_000;

/** How many links of a kind somebody has that work at a time. */
const MOST_LINKS = 20;

type Asking = Pick<RequestContext, 'db' | 'organization'>;

interface Link {
  readonly readAt: Date | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** When a link is made, and over. */
export function linkTimes({ db, organization }: Asking): Pick<Link, 'createdAt' | 'expiresAt'> {
  const now = db.now();
  return { createdAt: nowInStay(now, organization.membership), expiresAt: new Date(now.getTime() + LINK_MS) };
}

/** Neither was it read, nor is its time over; nor is it of before whoever asks was removed and came back, whatever they may now. */
export function isOpen({ readAt, createdAt, expiresAt }: Link, { db, organization }: Asking): boolean {
  const now = db.now();
  return isOfStay(createdAt, organization.membership) && readAt === null && expiresAt > now;
}

/** Those of whoever asks, the first to be over first. */
interface LinksOf<Maker> {
  list(asked: {
    where: Maker & { readAt: null; expiresAt: { gt: Date } };
    orderBy: { expiresAt: 'asc' };
    take: number;
  }): Promise<readonly Pick<Link, 'expiresAt'>[]>;
}

/**
 * Whether whoever asks may have one link more. Of two that are asked for at once the second sees the first.
 *
 * @throws RATE_LIMITED until the first of them is over
 */
export async function assertRoomForLink<Maker extends object>(
  db: Pick<LockedDb, 'held' | 'now'>,
  table: LinksOf<Maker>,
  maker: Maker,
): Promise<void> {
  const now = db.now();
  const where = { ...maker, readAt: null, expiresAt: { gt: now } };
  const [first, ...others] = await table.list({ where, orderBy: { expiresAt: 'asc' }, take: MOST_LINKS });
  if (!first || others.length < MOST_LINKS - 1) return;
  const retryAfter = Math.ceil((first.expiresAt.getTime() - now.getTime()) / 1000);
  throw new OrgateError('RATE_LIMITED', `You have ${MOST_LINKS} links that work; read one to its end.`, {
    retryAfter,
  });
}

/** Notes that it was read to its end. */
export async function noteRead(
  table: { update(where: { id: string; readAt: null }, change: { readAt: Date }): Promise<unknown> },
  id: string,
  readAt: Date,
): Promise<void> {
  await table.update({ id, readAt: null }, { readAt }).catch((error: unknown) => {
    if (codeOf(error) !== 'NOT_FOUND') throw error; // read twice at once
  });
}
