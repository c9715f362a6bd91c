import { describe, expect, test } from '@jest/globals';
import { type GivenOrganization, givenOrganization, givenTwoOrganizations } from '../../support/given.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer();

const RECORD = `mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) {
  status output error totalTokens totalCost totalCostMicros startedAt finishedAt
} }`;
const STATUSES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
const TERMINAL = ['SUCCEEDED', 'FAILED', 'CANCELLED'] as const;

async function start({ developer, agentId }: GivenOrganization): Promise<string> {
  const { data } = await developer('mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }', {
    agentId,
  });
  return data.startRun.id as string;
}

async function startedAs(organization: GivenOrganization, status: string): Promise<string> {
  const id = await start(organization);
  if (status !== 'QUEUED') await organization.developer(RECORD, { id, input: { status } });
  return id;
}

const refusalOf = (answer: Answer): unknown[] => [codeOf(answer), answer.errors[0]?.extensions['argument']];

describe('The status of a run', () => {
  const NEXT: Record<string, readonly string[]> = {
    QUEUED: ['RUNNING', ...TERMINAL],
    RUNNING: TERMINAL,
    SUCCEEDED: [],
    FAILED: [],
    CANCELLED: [],
  };

  test.each(STATUSES)('from %s moves only where it may', async (from) => {
    const acme = await givenOrganization(server);
    for (const to of STATUSES) {
      const id = await startedAs(acme, from);
      const { data: before } = await acme.viewer('query ($id: ID!) { run(id: $id) { status finishedAt } }', { id });
      const answer = await acme.developer(RECORD, { id, input: { status: to } });
      const { data: after } = await acme.viewer('query ($id: ID!) { run(id: $id) { status finishedAt } }', { id });
      if (from === to || NEXT[from]?.includes(to)) {
        expect(answer.data.recordRunProgress.status).toBe(to);
        expect(after.run.status).toBe(to);
      } else {
        expect([to, ...refusalOf(answer)]).toEqual([to, 'CONFLICT', 'input.status']);
        expect(after).toEqual(before);
      }
    }
  });

  test('tells when the run began and when it finished', async () => {
    const acme = await givenOrganization(server);
    const id = await start(acme);
    const running = (await acme.developer(RECORD, { id, input: { status: 'RUNNING' } })).data.recordRunProgress;
    expect(running).toMatchObject({ startedAt: expect.any(String), finishedAt: null });
    const again = (await acme.developer(RECORD, { id, input: { status: 'RUNNING' } })).data.recordRunProgress;
    expect(again).toEqual(running);
    const output = { answer: ['42', null] };
    const done = (await acme.developer(RECORD, { id, input: { status: 'SUCCEEDED', output } })).data.recordRunProgress;
    expect(done).toMatchObject({ startedAt: running.startedAt, finishedAt: expect.any(String), output });
    expect((await acme.developer(RECORD, { id, input: {} })).data.recordRunProgress).toEqual(done);
  });

  test('is final once it is terminal: neither output nor error come later', async () => {
    const acme = await givenOrganization(server);
    for (const status of TERMINAL) {
      const id = await startedAs(acme, status);
      for (const more of [{ output: 'late' }, { error: 'late' }]) {
        expect(refusalOf(await acme.developer(RECORD, { id, input: more }))).toEqual(['CONFLICT', 'input']);
      }
    }
  });

  test('of a run that is not there is NOT_FOUND, whether it is foreign or unknown', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    for (const id of [globex.runId, `run_${'0'.repeat(26)}`, acme.agentId]) {
      expect(codeOf(await acme.developer(RECORD, { id, input: { status: 'RUNNING' } }))).toBe('NOT_FOUND');
    }
  });
});

describe('Totals', () => {
  const first = { totalTokens: 100, totalCostMicros: 2_000_000 };

  test('rise, stay, and never fall; what is left out stays', async () => {
    const acme = await givenOrganization(server);
    const id = await startedAs(acme, 'RUNNING');
    await acme.developer(RECORD, { id, input: first });
    for (const [field, value] of [
      ['totalTokens', 99],
      ['totalCostMicros', 1_999_999],
      ['totalCost', 1.999999],
      ['totalTokens', 0],
    ] as const) {
      const refused = await acme.developer(RECORD, { id, input: { [field]: value, status: 'SUCCEEDED' } });
      expect(refusalOf(refused)).toEqual(['BAD_USER_INPUT', `input.${field}`]);
    }
    const same = await acme.developer(RECORD, { id, input: first });
    expect(same.data.recordRunProgress).toMatchObject({ ...first, status: 'RUNNING', totalCost: 2 });
    const risen = await acme.developer(RECORD, { id, input: { totalTokens: 9_007_199_254_740_991, totalCost: 2.3 } });
    expect(risen.data.recordRunProgress).toMatchObject({
      totalTokens: 9_007_199_254_740_991,
      totalCost: 2.3,
      totalCostMicros: 2_300_000,
    });
    const silent = await acme.developer(RECORD, { id, input: { output: 'x' } });
    expect(silent.data.recordRunProgress).toMatchObject({ ...risen.data.recordRunProgress, output: 'x' });
  });

  test('still rise after CANCELLED, for what was in flight, but not after SUCCEEDED or FAILED', async () => {
    const acme = await givenOrganization(server);
    for (const status of TERMINAL) {
      const id = await startedAs(acme, 'RUNNING');
      await acme.developer(RECORD, { id, input: { ...first, status } });
      const more = await acme.developer(RECORD, { id, input: { totalTokens: 101, totalCost: 2.5 } });
      if (status === 'CANCELLED') {
        expect(more.data.recordRunProgress).toMatchObject({ status, totalTokens: 101, totalCostMicros: 2_500_000 });
        const less = await acme.developer(RECORD, { id, input: { totalTokens: 100 } });
        expect(refusalOf(less)).toEqual(['BAD_USER_INPUT', 'input.totalTokens']);
      } else {
        expect(refusalOf(more)).toEqual(['CONFLICT', 'input.totalTokens']);
        expect((await acme.developer(RECORD, { id, input: first })).data.recordRunProgress).toMatchObject(first);
      }
    }
  });
});

test('no more runs are RUNNING than the organization allows, and only moves are counted', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  const limit = (maxConcurrentRuns: number) =>
    acme.admin('mutation ($s: OrganizationSettingsInput!) { updateOrganization(input: { settings: $s }) { id } }', {
      s: { agentExecution: { maxConcurrentRuns } },
    });
  await limit(2);
  const [one, two] = [await startedAs(acme, 'RUNNING'), await startedAs(acme, 'RUNNING')];
  const three = await start(acme);
  const move = (id: string, status: string) => acme.developer(RECORD, { id, input: { status, totalTokens: 5 } });

  expect(refusalOf(await move(three, 'RUNNING'))).toEqual(['CONFLICT', 'input.status']);
  const { data } = await acme.viewer('query ($id: ID!) { run(id: $id) { status totalTokens } }', { id: three });
  expect(data.run).toEqual({ status: 'QUEUED', totalTokens: 0 });
  expect((await move(two, 'RUNNING')).errors).toEqual([]);
  expect((await globex.developer(RECORD, { id: globex.runId, input: { status: 'RUNNING' } })).errors).toEqual([]);

  await limit(1);
  expect((await move(two, 'RUNNING')).errors).toEqual([]);
  await move(one, 'FAILED');
  expect(codeOf(await move(three, 'RUNNING'))).toBe('CONFLICT');
  await move(two, 'CANCELLED');
  expect((await move(three, 'RUNNING')).data.recordRunProgress.status).toBe('RUNNING');
});
