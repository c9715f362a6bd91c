import { expect, test } from '@jest/globals';
import type { RequestContext } from '../../../src/context/context.js';
import { takePlace } from '../../../src/domains/run-update/streams.js';

/** Somebody who asks, as far as places go. */
const asking = (orgId: string, actorId: string) =>
  ({ organization: { orgId }, viewer: null, actorId }) as unknown as RequestContext;

const refusalOf = (context: RequestContext): unknown => {
  try {
    takePlace(context)();
    return null;
  } catch (error) {
    return error;
  }
};

test('a person has a hundred, in however many organizations, and no more', () => {
  const given = Array.from({ length: 100 }, (_, index) => takePlace(asking(`org_${index % 3}`, 'usr_everywhere')));
  expect(refusalOf(asking('org_3', 'usr_everywhere'))).toMatchObject({
    code: 'LIMIT_REACHED',
    detail: { limit: 'streams of one person', max: 100, used: 100 },
  });
  expect(refusalOf(asking('org_3', 'usr_other'))).toBeNull();
  given[0]?.();
  expect(refusalOf(asking('org_3', 'usr_everywhere'))).toBeNull();
  for (const give of given) give();
});

test('an organization has a thousand streams, whoever of it opens them, and no more', () => {
  const given = Array.from({ length: 1000 }, (_, index) => takePlace(asking('org_full', `usr_${index % 20}`)));
  expect(refusalOf(asking('org_full', 'usr_new'))).toMatchObject({
    code: 'LIMIT_REACHED',
    detail: { limit: 'streams of the organization', max: 1000, used: 1000 },
  });
  expect(refusalOf(asking('org_other', 'usr_new'))).toBeNull();
  given[0]?.();
  given[0]?.(); // given back once, however often it is said
  const last = takePlace(asking('org_full', 'usr_new'));
  expect(refusalOf(asking('org_full', 'usr_new'))).toMatchObject({ code: 'LIMIT_REACHED' });
  for (const give of [...given, last]) give();
  expect(refusalOf(asking('org_full', 'usr_0'))).toBeNull();
});
