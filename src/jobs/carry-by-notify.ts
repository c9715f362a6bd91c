import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Outside } from '../data/connection/outside.js';
import type { Carrier, Message } from './news.js';
import { NEWS_CHANNEL, openNotify } from './outside.js';

/** PostgreSQL takes 8,000 bytes; an id is 33 with its quotes and comma, and an organization with all around it as long as two. */
const IDS_IN_ONE = 200;
const IDS_OF_ORGANIZATION = 2;
const AGAIN_MS = 5000;
/** What waits to be sent while the database is away; whoever listens finds the rest by looking. */
const MOST_ON_THE_WAY = 20;

/** Nothing of what was said by this process itself, or by nobody of us. */
function parse(payload: string, from: string): Message[] {
  try {
    const { by, news } = JSON.parse(payload) as { by?: unknown; news?: unknown };
    if (by === from || !Array.isArray(news)) return [];
    return (news as Partial<Record<keyof Message, unknown>>[]).flatMap(({ orgId, runs }) =>
      typeof orgId === 'string' && Array.isArray(runs)
        ? [{ orgId, runs: runs.filter((run) => typeof run === 'string') }]
        : [],
    );
  } catch {
    return [];
  }
}

/** Those of many organizations together: each NOTIFY is a statement of its own. */
function pack(messages: readonly Message[]): Message[][] {
  const packs: Message[][] = [];
  let room = 0;
  for (const { orgId, runs } of messages) {
    let left = runs;
    do {
      if (room <= IDS_OF_ORGANIZATION) {
        packs.push([]);
        room = IDS_IN_ONE;
      }
      room -= IDS_OF_ORGANIZATION;
      const now = left.slice(0, room);
      packs.at(-1)?.push({ orgId, runs: now });
      room -= now.length;
      left = left.slice(now.length);
    } while (left.length > 0);
  }
  return packs;
}

/**
 * Carries news between replicas by PostgreSQL's NOTIFY. It is never part of a change: whoever notifies in a transaction commits behind
 * everybody else who does. Listens on a connection of its own, and only while somebody here waits for something; behind a pooler that gives
 * connections by the transaction nothing is heard on it.
 */
export const createNotifyCarrier =
  (url: string, outside: Outside, report: (error: unknown) => void) =>
  (tell: (message: Message) => void): Carrier => {
    const notify = outside(openNotify);
    const by = randomUUID();
    let isWanted = false;
    let client: pg.Client | null = null;
    let onTheWay = 0;

    const drop = (dropped: pg.Client) => {
      dropped.end().catch(() => undefined);
      if (client !== dropped) return;
      client = null;
      if (isWanted) setTimeout(listen, AGAIN_MS).unref();
    };
    const listen = () => {
      if (client || !isWanted) return;
      const opened = new pg.Client({
        connectionString: url,
        application_name: 'orgate-news',
        connectionTimeoutMillis: 5000,
        keepAlive: true,
      });
      client = opened;
      opened.on('error', () => drop(opened));
      opened.on('end', () => drop(opened));
      opened.on('notification', ({ payload = '' }) => {
        for (const message of parse(payload, by)) tell(message);
      });
      opened
        .connect()
        .then(() => opened.query(`listen ${NEWS_CHANNEL}`))
        .catch((error: unknown) => {
          report(error);
          drop(opened);
        });
    };

    return {
      send(messages) {
        for (const news of pack(messages)) {
          if (onTheWay >= MOST_ON_THE_WAY) return;
          onTheWay += 1;
          notify(JSON.stringify({ by, news }))
            .catch(() => undefined)
            .finally(() => (onTheWay -= 1));
        }
      },
      want(wanted) {
        isWanted = wanted;
        if (wanted) listen();
        else if (client) drop(client);
      },
    };
  };
