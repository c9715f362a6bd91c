import { describe, expect, jest, test } from '@jest/globals';
import { DIRECTORY_LANE, MAX_WAITING, type Turn, Turns, WAIT_MS } from '../../../src/data/connection/turns.js';

/** How many of these turns were there at once; the others wait. */
const given = (turns: readonly (Turn | Promise<Turn>)[]): Turn[] =>
  turns.filter((turn): turn is Turn => !(turn instanceof Promise));
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const quietly = (turn: Turn | Promise<Turn>) => {
  if (turn instanceof Promise) turn.catch(() => undefined);
  return turn;
};
const BUSY = { code: '55P03' };

/** Statements that are answered while others run: each of a kind of its own. */
const statement = (turns: Turns, who: string, table: string) =>
  quietly(turns.take(who, turns.kindOf(`select * from ${table}`)));

describe('of ten connections', () => {
  test('one organization holds five, all of them nine, and the directory gets the tenth', async () => {
    const turns = new Turns(10);
    const acme = times(20, (index) => statement(turns, 'acme', `t${index}`));
    expect(given(acme)).toHaveLength(5);
    const others = times(20, (index) => statement(turns, `org${index}`, `u${index}`));
    expect(given(others)).toHaveLength(4);
    expect(given(times(3, (index) => statement(turns, DIRECTORY_LANE, `d${index}`)))).toHaveLength(1);
    expect(turns.waiting).toBe(15 + 16 + 2);
  });

  test('shares follow the connections that are to be had', async () => {
    const turns = new Turns(10);
    turns.resize(4);
    expect(given(times(20, (index) => statement(turns, 'acme', `t${index}`)))).toHaveLength(2);
    expect(given(times(20, (index) => statement(turns, `org${index}`, `u${index}`)))).toHaveLength(1);
    turns.resize(10);
    expect(given(times(20, (index) => statement(turns, `org${index}`, `v${index}`)))).toHaveLength(6);
  });

  test('whoever waits is served first come first served, and organizations in turn', async () => {
    const turns = new Turns(10);
    const held = given(times(9, (index) => statement(turns, `holder${index}`, `t${index}`)));
    const served: string[] = [];
    const ask = (who: string, count: number) =>
      times(count, async (index) => {
        const turn = await statement(turns, who, `${who}${index}`);
        served.push(`${who} ${index}`);
        turn.end('answered');
      });
    const asked = [...ask('acme', 3), ...ask('globex', 2), ...ask('initech', 1)];
    held[0]?.end('answered');
    await Promise.all(asked);
    expect(served).toEqual(['acme 0', 'globex 0', 'initech 0', 'acme 1', 'globex 1', 'acme 2']);
  });

  test('an organization counts or searches one thing at a time, while all else of it goes on', async () => {
    const turns = new Turns(10);
    const scan = (who: string, text: string) => quietly(turns.take(who, turns.kindOf(text)));
    const counting = scan('acme', 'select count(*) as count from "run" where "org_id" = $1');
    const others = [
      scan('acme', 'select count(*) as count from "agent" where "org_id" = $1'),
      scan('acme', 'select "id" from "membership" where "org_id" = $1 and ("name" ilike $2)'),
    ];
    expect([given([counting]).length, given(others).length]).toEqual([1, 0]);
    expect(
      given([statement(turns, 'acme', 'run'), scan('globex', 'select count(*) as count from "run"')]),
    ).toHaveLength(2);
    (counting as Turn).end('answered');
    (await (others[0] as Promise<Turn>)).end('answered');
    await others[1];
  });

  test('an organization has one transaction at a time, and all of them three', async () => {
    const turns = new Turns(10);
    const ask = (who: string) => quietly(turns.take(who, turns.transactionOf('startRun')));
    const [first, second] = [ask('acme'), ask('acme')];
    expect(given([first, second])).toHaveLength(1);
    expect(given([ask('globex'), ask('initech'), ask('hooli')])).toHaveLength(2);
    (first as Turn).end();
    (await second).end();
    // Statements pass those who wait for a transaction.
    expect(given([statement(turns, 'acme', 'run')])).toHaveLength(1);
  });
});

describe('where nothing is answered', () => {
  test('statements of that kind hold half, of one organization two, and others go on', async () => {
    const turns = new Turns(10);
    expect(given(times(10, (index) => statement(turns, `org${index % 2}`, 'run')))).toHaveLength(4);
    expect(given(times(10, (index) => statement(turns, `other${index}`, 'run')))).toHaveLength(1);
    expect(given(times(3, () => statement(turns, 'acme', 'run')))).toHaveLength(0);
    for (let round = 0; round < 50; round += 1) {
      const [fine] = given([statement(turns, 'acme', 'agent')]);
      fine?.end('answered');
      expect(fine).toBeDefined();
    }
  });

  test('the first answer lets the others in', async () => {
    const turns = new Turns(10);
    const asked = times(20, (index) => statement(turns, `org${index}`, 'run'));
    given(asked)[0]?.end('answered');
    await new Promise(setImmediate);
    expect(turns.waiting).toBe(20 - 1 - 8); // of ten, one is the directory's, and one left to other kinds
  });

  test('transactions for the same leave room for others, also beside statements that get no answer', () => {
    const turns = new Turns(10);
    const begin = (who: string, purpose: string) => quietly(turns.take(who, turns.transactionOf(purpose)));
    for (const round of [0, 1]) {
      for (let org = 0; org < 10; org += 1) {
        for (const purpose of ['startRun', 'recordRunProgress']) void begin(`org${org}`, purpose);
        void statement(turns, `org${org}`, 'run');
      }
      // What is answered goes on, as often as it likes.
      for (let again = 0; again < 20; again += 1) {
        const [transaction] = given([begin('quiet', 'updateOrganization')]);
        const [read] = given([statement(turns, 'quiet', `agent${round}`)]);
        expect([transaction, read]).not.toContain(undefined);
        transaction?.finish(transaction.begin('update organization set name = 1'), 'answered');
        transaction?.end();
        read?.end('answered');
      }
    }
  });

  test('a transaction that comes to its end lets in others for the same', () => {
    const turns = new Turns(10);
    const begin = (who: string) => quietly(turns.take(who, turns.transactionOf('startRun')));
    const [first, second, third] = given(['acme', 'globex', 'initech', 'hooli'].map(begin));
    expect(third).toBeDefined();
    first?.end(); // it did nothing, which tells nothing: hooli is the third
    expect(turns.waiting).toBe(0);
    void begin('umbrella');
    expect(turns.waiting).toBe(1);
    second?.finish(second.begin('insert into run values (1)'), 'answered');
    second?.end();
    expect(turns.waiting).toBe(0);
  });

  test('two organizations, whatever they wait for, leave a third what it needs', () => {
    const turns = new Turns(10);
    for (const who of ['acme', 'globex']) {
      void quietly(turns.take(who, turns.transactionOf('startRun')));
      for (const table of ['run', 'agent', 'run', 'run', 'run', 'run']) {
        void statement(turns, who, table);
        // What others are answered makes room for more.
        given([statement(turns, 'initech', 'run')])[0]?.end('answered');
      }
    }
    expect(
      given([quietly(turns.take('initech', turns.transactionOf('startRun'))), statement(turns, 'initech', 'run')]),
    ).toHaveLength(2);
  });

  test('a lock waited for in vain refuses who waits for the same in that organization, of two in both, and nobody else', async () => {
    const turns = new Turns(10);
    const ask = (who: string) => times(4, () => statement(turns, who, 'run'));
    const [acme, globex] = [ask('acme'), ask('globex')];
    void ask('initech');
    const refused = async (asked: (Turn | Promise<Turn>)[]) => {
      for (const waiting of asked.slice(2)) await expect(waiting).rejects.toMatchObject(BUSY);
    };
    expect(turns.waiting).toBe(2 + 2 + 3);
    given(acme)[0]?.end('row locked');
    expect(turns.waiting).toBeGreaterThanOrEqual(2 + 1 + 2);
    given(acme)[1]?.end('locked');
    await refused(acme.slice(1));
    given(globex)[0]?.end('locked');
    await refused(globex);
    expect(turns.waiting).toBeGreaterThan(0); // initech has not waited in vain
  });

  test('after two such waits one tries again for both, and the answer lets the others in', async () => {
    const turns = new Turns(10);
    const [acme] = ['acme', 'globex'].map((who) => turns.take(who, turns.transactionOf('startRun')) as Turn);
    for (const who of ['acme', 'globex']) given([statement(turns, who, 'run')])[0]?.end('locked');
    const asked = times(4, (index) => statement(turns, index % 2 === 0 ? 'acme' : 'globex', 'run'));
    expect(given(asked)).toHaveLength(1);
    expect(() => acme?.begin('select * from run')).toThrow('in vain');
    given(asked)[0]?.end('answered');
    for (const turn of asked) (await turn).end('answered');
    expect(() => acme?.begin('select * from run')).not.toThrow();
  });

  test('one organization that waits in vain is no locked table, nor are two that wait for a row', () => {
    const turns = new Turns(10);
    const globex = turns.take('globex', turns.transactionOf('startRun')) as Turn;
    given([statement(turns, 'acme', 'run')])[0]?.end('locked');
    given([statement(turns, 'globex', 'run')])[0]?.end('row locked');
    void statement(turns, 'acme', 'run');
    expect(() => globex.begin('select * from run')).not.toThrow();
  });

  test('whoever has not waited in vain tries for themselves, unless another does and gets no answer', () => {
    jest.useFakeTimers({ now: 0 });
    try {
      for (const table of ['run', 'organization']) {
        const turns = new Turns(10);
        const text = `update "public"."${table}" set x = 1`;
        const kind = turns.kindOf(text);
        for (const who of ['acme', 'globex']) (turns.take(who, kind) as Turn).end('locked');
        const [acme, initech, hooli] = ['acme', 'initech', 'hooli'].map(
          (who) => turns.take(who, turns.transactionOf('startRun')) as Turn,
        );
        initech?.begin(text);
        jest.advanceTimersByTime(100);
        const isOwnRow = table === 'organization';
        if (isOwnRow) expect(() => acme?.begin(text)).not.toThrow();
        else expect(() => acme?.begin(text)).toThrow(expect.objectContaining(BUSY));
        expect(() => hooli?.begin(text)).not.toThrow();
        jest.advanceTimersByTime(1000);
        if (isOwnRow) expect(() => hooli?.begin(text)).not.toThrow();
        else expect(() => hooli?.begin(text)).toThrow(expect.objectContaining(BUSY));
      }
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('waiting', () => {
  test('ends after a while, and is refused where too many wait', async () => {
    jest.useFakeTimers();
    try {
      const turns = new Turns(1);
      const [held] = given([statement(turns, 'acme', 'run')]);
      const waiting = times(MAX_WAITING, () => statement(turns, 'acme', 'run'));
      await expect(statement(turns, 'acme', 'run')).rejects.toMatchObject(BUSY);
      const globex = statement(turns, 'globex', 'run');
      expect(turns.waiting).toBe(MAX_WAITING + 1);
      const refused = expect(Promise.any([...waiting, globex])).rejects.toBeInstanceOf(AggregateError);
      // They are told one after the other.
      jest.advanceTimersByTime(WAIT_MS + 5000);
      await refused;
      expect(turns.waiting).toBe(0);
      held?.end();
      expect(turns.remembered).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  test('is over for whoever leaves, who leaves no trace', async () => {
    const turns = new Turns(1);
    const [held] = given([statement(turns, 'acme', 'run')]);
    let leave: (() => void) | undefined;
    let forgotten = 0;
    const waiting = turns.take('globex', turns.kindOf('select from run'), (end) => {
      leave = end;
      return () => (forgotten += 1);
    });
    leave?.();
    await expect(waiting).rejects.toThrow('nobody waits');
    held?.end();
    expect([forgotten, turns.waiting, turns.remembered]).toEqual([1, 0, 0]);
    expect(given([statement(turns, 'initech', 'run')])).toHaveLength(1);
  });
});

test.each([1, 2, 3, 4, 7, 30])('of %i connections everyone gets one in the end, whatever they do', async (size) => {
  const turns = new Turns(size);
  let most = 0;
  let held = 0;
  const work = times(300, async (index) => {
    const who = index % 7 === 0 ? DIRECTORY_LANE : `org${index % 5}`;
    const turn = await turns.take(
      who,
      index % 3 === 0 ? turns.transactionOf('startRun') : turns.kindOf(`select * from t${index % 4}`),
    );
    held += 1;
    most = Math.max(most, held);
    const step = index % 3 === 0 ? turn.begin(`select * from t${index % 4}`) : null;
    await new Promise(setImmediate);
    if (step && index % 2 === 0) turn.finish(step, 'answered');
    held -= 1;
    turn.end(index % 11 === 0 ? 'cut off' : 'answered');
  });
  await Promise.all(work);
  expect(most).toBeLessThanOrEqual(size);
  expect([turns.waiting, turns.remembered]).toEqual([0, 0]);
});
