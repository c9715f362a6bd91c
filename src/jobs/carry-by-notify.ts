import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Outside } from '../data/connection/outside.js';
import type { Carrier, Message } from './news.js';
import { NEWS_CHANNEL, openNotify } from './outside.js';

/** PostgreSQL takes 8,000 bytes; an id is 33 with its quotes and comma. */
const RUNS_IN_ONE = 200;
const AGAIN_MS = 5000;
/** What waits to be sent while the database is away; whoever listens finds the rest by looking. */
const MOST_ON_THE_WAY = 20;

/** @returns null for what was said by this process itself, or by nobody of us */
function parse(payload: string, from: string): Message | null {
  try {
    const { by, orgId, runs } = JSON.parse(payload) as { by?: unknown; orgId?: unknown; runs?: unknown };
    if (by === from || typeof orgId !== 'string' || !Array.isArray(runs)) return null;
    return { orgId, runs: runs.filter((run) => typeof run === 'string') };
  } catch {
    return null;
  }
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
        const message = parse(payload, by);
        if (message) tell(message);
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
        for (const { orgId, runs } of messages) {
          for (let from = 0; from === 0 || from < runs.length; from += RUNS_IN_ONE) {
            if (onTheWay >= MOST_ON_THE_WAY) return;
            onTheWay += 1;
            const payload = JSON.stringify({ by, orgId, runs: runs.slice(from, from + RUNS_IN_ONE) });
            notify(payload)
              .catch(() => undefined)
              .finally(() => (onTheWay -= 1));
          }
        }
      },
      want(wanted) {
        isWanted = wanted;
        if (wanted) listen();
        else if (client) drop(client);
      },
    };
  };
