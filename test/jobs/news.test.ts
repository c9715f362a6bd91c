import { expect, test } from '@jest/globals';
import type { Outside } from '../../src/data/connection/outside.js';
import { createNotifyCarrier } from '../../src/jobs/carry-by-notify.js';
import { createNews, type Message } from '../../src/jobs/news.js';

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

test('what happened in a hundred organizations at once goes out whole, in a few messages that PostgreSQL takes', () => {
  const sent: string[] = [];
  const outside = (() => async (payload: string) => void sent.push(payload)) as unknown as Outside;
  const carrier = createNotifyCarrier('', outside, () => undefined)(() => undefined);
  const id = (prefix: string, index: number) => `${prefix}_${String(index).padStart(26, '0')}`;
  const news = Array.from({ length: 100 }, (_, index) => ({
    orgId: id('org', index),
    runs: Array.from({ length: index === 50 ? 450 : index % 3 }, (__, run) => id('run', index * 1000 + run)),
  }));
  carrier.send(news);
  expect(sent.length).toBeLessThan(6);
  for (const payload of sent) expect(payload.length).toBeLessThan(8000);
  const told = sent.flatMap((payload) => (JSON.parse(payload) as { news: Message[] }).news);
  expect(
    news.map(({ orgId }) => ({ orgId, runs: told.flatMap((each) => (each.orgId === orgId ? each.runs : [])) })),
  ).toEqual(news);
});
