import { setTimeout as sleep } from 'node:timers/promises';

/** As many members as a group may have. */
export const GROUP = 50_000;

/**
 * What others do, each for a while. `isBound` where the quiet organization's p99 must stay under twice its own.
 *
 * @param {{ beside: import('pg').Client, others: (work: string, told: object) => { end(): Promise<unknown>, done: Promise<unknown> },
 *   noisy: object[], seconds: number, directoryToken: string }} parts
 */
export function createTrials({ beside, others, noisy, seconds, directoryToken }) {
  const [worst] = noisy;
  const ten = { who: noisy.slice(0, 10), loops: 4, queries: ['runs', 'start', 'progress'] };
  const forAWhile = (work, told) => async () => {
    const working = others(work, told);
    await Promise.race([sleep(seconds * 1000), working.done]);
    return working.end();
  };
  const whileLocked = async (told, lock) => {
    await beside.query('begin');
    await beside.query(lock);
    try {
      return await forAWhile('hammer', told)();
    } finally {
      await beside.query('rollback');
    }
  };
  /** As long as the others take in the other trials, and with nothing of what they do: what a core less costs by itself. */
  const computing = async () => {
    await beside.query(`set statement_timeout = '${seconds}s'`);
    try {
      await beside.query('select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b');
    } catch (error) {
      if (error.code !== '57014') throw error;
    } finally {
      await beside.query('reset statement_timeout');
    }
    return {};
  };
  return [
    {
      name: 'a table is locked, and ten organizations are at it',
      isBound: true,
      run: () => whileLocked(ten, 'lock table run in access exclusive mode'),
    },
    {
      name: `a group of ${GROUP.toLocaleString('en')} beside 30 progress reports of its organization`,
      isBound: true,
      run: forAWhile('group', {
        token: directoryToken,
        size: GROUP,
        beside: { who: [worst], loops: 30, queries: ['progress'] },
      }),
    },
    {
      name: 'one organization reads with 60 requests at a time',
      isBound: true,
      run: forAWhile('hammer', { who: [worst], loops: 60, queries: ['runs'] }),
    },
    {
      name: 'one organization sends 700 writes at a time, and its row is locked',
      isBound: true,
      run: () =>
        whileLocked(
          { who: [worst], loops: 700, queries: ['progress'] },
          `select from organization where id = '${worst.orgId}' for update`,
        ),
    },
    {
      name: 'ten organizations do all they can with 4 requests each at a time, and nothing is wrong',
      isBound: false,
      run: forAWhile('hammer', ten),
    },
    { name: 'nobody asks, and the database computes on one core', isBound: false, run: computing },
  ];
}
