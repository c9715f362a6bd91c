import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ReadBound } from '../../../src/data/connection/read-bound.js';
import { openEvents } from '../../support/events.js';
import { givenImpersonation } from '../../support/impersonation.js';
import { givenSealed } from '../../support/sealed.js';
import { useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

const server = useServer({ scheduled: true });

/** What each request holds, as it is counted. */
const held = new Map<ReadBound, number>();
/** How often anything was read for it. */
const reads = new Map<ReadBound, number>();
const { count, hold } = ReadBound.prototype;
beforeAll(() => {
  ReadBound.prototype.count = function (bytes) {
    held.set(this, (held.get(this) ?? 0) + bytes);
    reads.set(this, (reads.get(this) ?? 0) + 1);
    count.call(this, bytes);
  };
  ReadBound.prototype.hold = function (bytes) {
    held.set(this, bytes);
    return hold.call(this, bytes);
  };
});
afterAll(() => void Object.assign(ReadBound.prototype, { count, hold }));

test('a stream holds nothing of who asked, however often that is asked, nor of answers that were taken', async () => {
  const acme = await givenSealed(server);
  // Who acts as a member is let in anew each time that anything may have happened.
  const { acting } = await givenImpersonation(server, acme);
  const start = () =>
    acme.developer('mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }', {
      agentId: acme.agentId,
    });
  reads.clear();
  const events = await openEvents(
    { url: server.url, token: acting.token },
    'subscription { organizationRunUpdates { status run { id agent { description } } } }',
  );
  const most = () => [...reads].reduce((one, other) => (other[1] > one[1] ? other : one));
  // With each look; what else is asked meanwhile is asked once.
  await until(() => reads.size > 0 && most()[1] > 8);
  const [stream] = most();
  await until(() => held.get(stream) === 0);
  await start();
  expect((await events.next())?.data.organizationRunUpdates.status).toBe('QUEUED');
  // It was taken.
  await until(() => held.get(stream) === 0);
  events.close();
});
