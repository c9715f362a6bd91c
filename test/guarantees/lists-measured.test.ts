import { expect, test } from '@jest/globals';
import { counts, forgotten, lists } from '../../bench/lists/cases.mjs';

/** What they are does not matter: each is called what it is of. */
const ids = new Proxy<Record<string, string>>({}, { get: (_, name) => String(name) });

test('every list, filter, order and count of the contract MUST be asked for by `npm run bench:lists`', () => {
  expect(forgotten(lists(ids), counts(ids))).toEqual([]);
});

test.each(['Query.approvals', 'Webhook.attempts'])('a list that nobody asks for is named: %s', (name) => {
  const { [name]: _forgotten, ...others } = lists(ids);
  expect(forgotten(others, counts(ids))).toEqual([name]);
});

test('so are arguments, filters and orders, of each list that is no second name of another', () => {
  const others = { 'Query.notifications': {}, 'Webhook.attempts': { args: [{ filter: { deliveryId: 'whd_none' } }] } };
  expect(forgotten({ ...lists(ids), ...others }, counts(ids))).toEqual([
    'Query.notifications(unread)',
    'Query.notifications(orderBy)',
    'Query.notifications(orderBy: AT)',
    'Webhook.attempts(filter.problem)',
    'Webhook.attempts(orderBy)',
    'Webhook.attempts(orderBy: AT)',
  ]);
});

test('so are counts, and cases of what is not there', () => {
  const { 'AccountOrganization.usage': _forgotten, ...counted } = counts(ids);
  expect(forgotten({ ...lists(ids), 'Query.nothing': {} }, counted)).toEqual([
    'AccountOrganization.usage',
    'Query.nothing, which the schema does not have',
  ]);
});
