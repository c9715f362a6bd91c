import { expect, test } from '@jest/globals';
import type { RequestContext } from '../../../src/context/context.js';
import { Streams } from '../../../src/gateway/http/streams.js';

/** Who asks, and where. */
const as = (orgId: string, userId: string) =>
  ({ organization: { orgId, membership: { userId } } }) as Pick<RequestContext, 'organization'>;

test('places are few for an organization, and for who has many of those, and others find theirs', () => {
  const streams = new Streams();
  const backs = Array.from({ length: 4 }, (_, index) => streams.take(as('org_a', `usr_${index}`)));
  expect(() => streams.take(as('org_a', 'usr_9'))).toThrow();
  for (let index = 0; index < 4; index += 1) streams.take(as(`org_of_mallory_${index}`, 'usr_mallory'));
  expect(() => streams.take(as('org_of_mallory_5', 'usr_mallory'))).toThrow();
  const back = streams.take(as('org_b', 'usr_b'));
  // What is given back twice is given back once.
  backs[0]?.();
  backs[0]?.();
  streams.take(as('org_a', 'usr_9'));
  expect(() => streams.take(as('org_a', 'usr_8'))).toThrow();
  back();
});
