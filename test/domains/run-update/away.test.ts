import { expect, test } from '@jest/globals';
import type { Database } from '../../../src/data/database.js';
import { OrgateError } from '../../../src/errors.js';
import { openStandings } from '../../../src/identity/standings.js';
import { openEvents } from '../../support/events.js';
import { givenSealed } from '../../support/sealed.js';
import { useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

const ALL =
  'subscription ($after: String) { organizationRunUpdates(after: $after) { cursor change status run { id } } }';
const START = 'mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }';

type Lacking = 'what there is to hear' | 'who may hear it';

let away: Lacking | null = null;
let refused = 0;

/** Where the database is away, for whoever listens and for nobody else. */
const orAway =
  <A extends unknown[], T>(what: Lacking, ask: (...args: A) => Promise<T>) =>
  (...args: A): Promise<T> => {
    if (away !== what) return ask(...args);
    refused += 1;
    return Promise.reject(new OrgateError('SERVICE_UNAVAILABLE'));
  };

const server = useServer({
  scheduled: true,
  wrap: (database: Database): Database => ({
    ...database,
    outside: (open) => {
      const made = database.outside(open);
      const standings = database.outside(openStandings);
      return (made as unknown) === standings ? (orAway('who may hear it', standings) as typeof made) : made;
    },
    organizationDb: (orgId, act) => {
      const db = database.organizationDb(orgId, act);
      if (act.name !== 'updates of runs') return db;
      const { auditSeal } = db;
      const list: typeof auditSeal.list = orAway('what there is to hear', (query) => auditSeal.list(query));
      return Object.create(db, { auditSeal: { value: { ...auditSeal, list } } }) as typeof db;
    },
  }),
});

test.each<Lacking>(['what there is to hear', 'who may hear it'])(
  'while nobody can say %s, whoever listens waits, and hears all of it once it can be said',
  async (what) => {
    const { viewer, developer, agentId } = await givenSealed(server);
    const started = async () => (await developer(START, { agentId })).data.startRun.id as string;
    const events = await openEvents({ url: server.url, token: viewer.token }, ALL);
    const hear = async () => {
      const told = await events.next();
      return told?.data?.organizationRunUpdates?.run.id ?? told;
    };
    const first = await started();
    expect(await hear()).toBe(first);
    refused = 0;
    away = what;
    const missed = await started();
    await until(() => refused > 1);
    away = null;
    expect(await hear()).toBe(missed);
    const next = await started();
    expect(await hear()).toBe(next);
    events.close();
  },
);
