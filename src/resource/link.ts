import { OrgateError } from '../errors.js';
import { codeOf } from '../thrown.js';

/** How long a link to what is taken away works. */
export const LINK_MS = 10 * 60_000;

/** How long it is kept after that: who began to read in time is told to have read it to its end. */
export const KEPT_MS = 24 * 3_600_000;

/** How many links of a kind somebody has that work at a time. */
const MOST_LINKS = 20;

interface Link {
  readonly readAt: Date | null;
  readonly expiresAt: Date;
}

/** Neither was it read, nor is its time over. */
export const isOpen = ({ readAt, expiresAt }: Link, now: Date): boolean => readAt === null && expiresAt > now;

/** Those of whoever asks, the first to be over first. */
interface LinksOf<Maker> {
  list(asked: {
    where: Maker & { readAt: null; expiresAt: { gt: Date } };
    orderBy: { expiresAt: 'asc' };
    take: number;
  }): Promise<readonly Pick<Link, 'expiresAt'>[]>;
}

/**
 * Whether whoever asks may have one link more: to be asked under the organization's lock, or of two that are asked for at once both
 * would be the last.
 *
 * @throws RATE_LIMITED until the first of them is over
 */
export async function assertRoomForLink<Maker extends object>(
  table: LinksOf<Maker>,
  maker: Maker,
  now: Date,
): Promise<void> {
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
