import { newId, type OrgId } from '../../data/id.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { NotificationKind } from '../../generated/enums.js';
import type { DueWork } from '../../jobs/due-kind.js';
import type { Letter } from '../../mail/letter.js';
import { OUTBOX } from '../../mail/outbox.js';
import type { Use } from '../../parts.js';
import { isWanted } from './preferences.js';

/** Who is told: people who are active members, each once, in whatever way they are named. */
export interface Receivers {
  readonly owners?: boolean;
  readonly userIds?: readonly string[];
}

/** What is told. */
export interface News {
  readonly kind: NotificationKind;
  /** One line of plain text; what is longer than 500 characters ends there. The letter's subject when left out. */
  readonly text?: string;
  readonly targetId: string | null;
  /** What it is told of once, however often that is tried: `api-key-ends/key_…`. Each time anew when left out. */
  readonly occasion?: string;
  /** Left out where there is no mail of it. */
  readonly letter?: Letter;
}

type Member = Row<'Membership'>;

/** Of more than so many those are told whose ids come first. */
const MOST_RECEIVERS = 1000;
const MOST_TEXT = 500;

/**
 * Tells members of something, in the ways that they want: by one statement into their lists, and by mail. It is told where its reason is
 * committed, and only there.
 *
 * @param db in the transaction that is its reason. Where that holds the organization's lock, it has taken it before
 * @returns the mail, to be dispatched once the transaction is committed; it goes out without, a few seconds later
 */
export async function notify(
  db: OrganizationDb,
  orgId: OrgId,
  to: Receivers,
  { kind, letter, text = letter?.subject ?? '', targetId, occasion }: News,
  use: Use,
): Promise<DueWork[]> {
  const members = await membersOf(db, to);
  const chosen = await waysOf(db, kind, members);
  const told = members.flatMap((member) => {
    const isListed = isWanted(kind, 'LIST', chosen.get(member.userId));
    const isMailed = letter !== undefined && isWanted(kind, 'MAIL', chosen.get(member.userId));
    return isListed || isMailed ? [{ member, isMailed, row: rowOf(member, isListed) }] : [];
  });
  if (told.length === 0) return [];
  const made = await insert(
    db,
    told.map(({ row }) => row),
  );
  const mail: DueWork[] = [];
  for (const { member, isMailed, row } of told) {
    if (letter === undefined || !isMailed || !made.has(row.id)) continue;
    const asOwner = !to.userIds?.includes(member.userId);
    mail.push(await use(OUTBOX).queueFor(db, orgId, { member, asOwner }, letter));
  }
  return mail;

  function rowOf({ userId }: Member, isListed: boolean) {
    const at = db.now();
    const id = newId('ntf', at.getTime());
    return { id, userId, kind, text: inShort(text), targetId, occasion: occasion ?? id, isListed, at };
  }
}

/** @returns the ids of those that were not told of before */
async function insert(
  db: OrganizationDb,
  rows: readonly Parameters<OrganizationDb['notification']['create']>[0][],
): Promise<ReadonlySet<string>> {
  const ids = rows.map(({ id }) => id);
  if ((await db.notification.createMany(rows, { skipTaken: true })) === ids.length) return new Set(ids);
  const made = await db.notification.list({ where: { id: { in: ids } }, orderBy: { id: 'asc' }, take: ids.length });
  return new Set(made.map(({ id }) => id));
}

async function membersOf(db: OrganizationDb, { owners = false, userIds = [] }: Receivers): Promise<Member[]> {
  const read = (where: { role: 'OWNER' } | { userId: { in: readonly string[] } }) =>
    db.membership.list({
      where: { ...where, status: 'ACTIVE', kind: 'PERSON' },
      orderBy: { userId: 'asc' },
      take: MOST_RECEIVERS,
    });
  const named = [...new Set(userIds)].toSorted().slice(0, MOST_RECEIVERS);
  const found = [
    ...(named.length > 0 ? await read({ userId: { in: named } }) : []),
    ...(owners ? await read({ role: 'OWNER' }) : []),
  ];
  // In one order, or two that tell the same could wait for each other.
  const byId = new Map(found.map((member) => [member.userId, member]));
  return [...byId.values()].toSorted((a, b) => (a.userId < b.userId ? -1 : 1)).slice(0, MOST_RECEIVERS);
}

async function waysOf(
  db: OrganizationDb,
  kind: NotificationKind,
  members: readonly Member[],
): Promise<ReadonlyMap<string, Row<'NotificationPreference'>>> {
  if (members.length === 0) return new Map();
  const where = { kind, userId: { in: members.map(({ userId }) => userId) } };
  const rows = await db.notificationPreference.list({ where, orderBy: { userId: 'asc' }, take: members.length });
  return new Map(rows.map((row) => [row.userId, row]));
}

/** Whole characters, on one line. */
const inShort = (text: string): string => [...text.replaceAll(/\s+/g, ' ').trim()].slice(0, MOST_TEXT).join('');
