import { expect } from '@jest/globals';
import { givenAdministrator, givenOrganization, personId, unique } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const sql = async (text: string, values: unknown[]) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

async function givenOffered() {
  const sam = await givenAdministrator(server);
  const { data } = await sam('mutation { createAccount(input: { name: "Agency" }) { id } }');
  const accountId = data.createAccount?.id ?? '';
  const ann = await server.as(`${unique('ann')}@agency.example`);
  const userId = await personId(ann);
  const { id, slug, owner } = await givenOrganization(server);
  const made = unique('made');
  const act: Record<'add' | 'remove' | 'offer' | 'accept' | 'withdraw' | 'giveBack' | 'make', () => Promise<Answer>> = {
    add: () =>
      sam('mutation ($a: ID!, $u: ID!) { addAccountAdministrator(accountId: $a, userId: $u) { id } }', {
        a: accountId,
        u: userId,
      }),
    remove: () =>
      sam('mutation ($a: ID!, $u: ID!) { removeAccountAdministrator(accountId: $a, userId: $u) { id } }', {
        a: accountId,
        u: userId,
      }),
    offer: () => owner('mutation ($a: ID!) { offerOrganization(accountId: $a) { id } }', { a: accountId }),
    accept: () =>
      ann('mutation ($a: ID!, $o: ID!) { acceptOrganization(accountId: $a, organizationId: $o) { id } }', {
        a: accountId,
        o: id,
      }),
    withdraw: () => owner('mutation ($a: ID!) { withdrawOrganization(accountId: $a) { id } }', { a: accountId }),
    giveBack: () =>
      ann('mutation ($a: ID!, $o: ID!) { withdrawOrganization(accountId: $a, organizationId: $o) { id } }', {
        a: accountId,
        o: id,
      }),
    make: () =>
      ann(
        'mutation ($a: ID!, $s: String!) { createOrganization(input: { name: "Made", slug: $s, accountId: $a }) { id } }',
        {
          a: accountId,
          s: made,
        },
      ),
  };
  await act.add();
  const statusNow = async () =>
    (await sql('select status from account_organization where org_id = $1', [id]))[0]?.['status'] ?? null;
  return { act, accountId, userId, id, slug, owner, made, statusNow };
}

const linkOf = (id: string) => ({
  text: 'select from account_organization where org_id = $1 for update',
  values: [id],
});

race(
  'of taking what is offered and withdrawing it the first is done, and it ends alike for both, in either order',
  async () => {
    for (const [first, second, expected, left] of [
      ['accept', 'withdraw', ['done', 'done'], null],
      ['withdraw', 'accept', ['done', 'NOT_FOUND'], null],
      ['accept', 'giveBack', ['done', 'done'], null],
      ['giveBack', 'accept', ['done', 'NOT_FOUND'], null],
      ['withdraw', 'giveBack', ['done', 'NOT_FOUND'], null],
      ['giveBack', 'withdraw', ['done', 'NOT_FOUND'], null],
      ['accept', 'accept', ['done', 'done'], 'ACCEPTED'],
    ] as const) {
      const { act, id, statusNow } = await givenOffered();
      await act.offer();
      const answers = await inOrder(linkOf(id), [act[first], act[second]]);
      expect([first, second, answers.map(outcome), await statusNow()]).toEqual([first, second, expected, left]);
    }
  },
);

race('of an offer and a withdrawal, many at once, it is offered or not, and never to two', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { act, id, owner, statusNow } = await givenOffered();
    const other = await givenOffered();
    const offerOther = () =>
      owner('mutation ($a: ID!) { offerOrganization(accountId: $a) { id } }', { a: other.accountId });
    const answers = await Promise.all([
      act.offer(),
      act.accept(),
      act.withdraw(),
      offerOther(),
      act.offer(),
      act.giveBack(),
    ]);
    for (const answer of answers) expect(['done', 'NOT_FOUND', 'CONFLICT']).toContain(outcome(answer));
    const rows = await sql('select account_id from account_organization where org_id = $1', [id]);
    expect(answers.map(outcome)).toContain('done');
    // Nobody takes it for another account than it was offered to.
    if (rows[0]?.['account_id'] === other.accountId) expect(await statusNow()).toBe('OFFERED');
  }
});

race(
  'who is removed before they make or take something makes and takes nothing; who is removed after it did',
  async () => {
    for (const verb of ['make', 'accept'] as const) {
      for (const order of ['removed first', 'removed last'] as const) {
        const { act, accountId, userId, made, statusNow } = await givenOffered();
        await act.offer();
        const row = {
          text: 'select from account_administrator where account_id = $1 and person_id = $2 for update',
          values: [accountId, userId],
        };
        const steps = order === 'removed first' ? [act.remove, act[verb]] : [act[verb], act.remove];
        const answers = (await inOrder(row, steps)).map(outcome);
        const found = verb === 'make' ? await sql('select from organization where slug = $1', [made]) : [];
        const isDone = verb === 'make' ? found.length === 1 : (await statusNow()) === 'ACCEPTED';
        const expected = order === 'removed first' ? [['done', 'NOT_FOUND'], false] : [['done', 'done'], true];
        expect([verb, order, answers, isDone]).toEqual([verb, order, ...expected]);
      }
    }
  },
);

race('of two who are added where there is room for one, one is, and the other is told', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { act, accountId } = await givenOffered();
    const sam = await givenAdministrator(server);
    await sql(
      `with made as (
         insert into person (id, email, name) select 'usr_' || md5(random()::text), md5(random()::text) || '@many.example', 'x'
         from generate_series(1, 48) returning id)
       insert into account_administrator (account_id, person_id) select $1, id from made`,
      [accountId],
    );
    const people = await Promise.all([1, 2].map(() => server.as(`${unique('late')}@agency.example`)));
    const ids = await Promise.all(people.map(personId));
    const add = (userId: string) => () =>
      sam('mutation ($a: ID!, $u: ID!) { addAccountAdministrator(accountId: $a, userId: $u) { id } }', {
        a: accountId,
        u: userId,
      });
    const accountRow = { text: 'select from account where id = $1 for update', values: [accountId] };
    const answers = await inOrder(accountRow, ids.map(add));
    expect(answers.map(outcome)).toEqual(['done', 'CONFLICT']);
    const kept = await sql('select count(*)::int as count from account_administrator where account_id = $1', [
      accountId,
    ]);
    expect(kept).toEqual([{ count: 50 }]);
    expect(outcome(await act.add())).toBe('done');
  }
});

race(
  'of taking one and asking for its end the first is done; what was taken before is, and afterwards nothing',
  async () => {
    for (const verb of ['accept', 'giveBack'] as const) {
      for (const isEndFirst of [true, false]) {
        const { act, id, slug, owner, statusNow } = await givenOffered();
        await act.offer();
        const end = (): Promise<Answer> =>
          owner('mutation ($s: String!) { requestOrganizationDeletion(confirm: $s) { status } }', { s: slug });
        const answers = await inOrder(organizationRow(id), isEndFirst ? [end, act[verb]] : [act[verb], end]);
        const done = verb === 'accept' ? 'ACCEPTED' : null;
        expect([verb, answers.map(outcome), await statusNow()]).toEqual([
          verb,
          ['done', isEndFirst ? 'FORBIDDEN' : 'done'],
          isEndFirst ? 'OFFERED' : done,
        ]);
      }
    }
  },
);
