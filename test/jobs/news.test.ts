import { expect, test } from '@jest/globals';
import { createNews } from '../../src/jobs/news.js';

test('whoever is told slower than it happens keeps a bounded number of runs, and looks instead', async () => {
  let tell: (message: { orgId: string; runs: string[] }) => void = () => undefined;
  const news = createNews((told) => {
    tell = told;
    return { send: () => undefined, want: () => undefined };
  });
  const listening = news.listen('org_a');
  const runs = (from: number) => Array.from({ length: 900 }, (_, index) => `run_${from + index}`);
  tell({ orgId: 'org_a', runs: runs(0) });
  expect(await listening.next()).toEqual({ runs: runs(0), isLook: false });
  for (let from = 0; from < 5000; from += 900) tell({ orgId: 'org_a', runs: runs(from) });
  const told = await listening.next();
  expect(told?.isLook).toBe(true);
  expect(told?.runs.length).toBeLessThanOrEqual(1000);
  listening.close();
});
