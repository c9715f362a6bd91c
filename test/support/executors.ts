import { expect } from '@jest/globals';
import { createReturnLostRuns } from '../../src/domains/run/return-lost-runs.js';
import type { Answer, Client, TestServer } from './server.js';
import { type GivenOrganization, givenAdministrator, unique } from './given.js';

/** A machine of the deployment, of a pool that no other test uses. */
export interface GivenExecutor {
  readonly id: string;
  readonly pool: string;
  readonly token: string;
  readonly client: Client;
  readonly administrator: Client;
}

/** What a claim answers of a run. */
export interface Lease {
  readonly runId: string;
  readonly organizationId: string;
  readonly token: string;
  readonly attempt: number;
  readonly leaseExpiresAt: string;
}

const REGISTER = `mutation ($input: RegisterExecutorInput!) { registerExecutor(input: $input) { token executor { id } } }`;
export const CLAIM = `mutation ($input: ClaimRunsInput!) {
  claimRuns(input: $input) { runs { runId organizationId token attempt leaseExpiresAt } } }`;
const REPORT = `mutation ($id: ID!, $input: RunProgressInput!) {
  recordRunProgress(id: $id, input: $input) { id status totalTokens attempts } }`;

export async function givenExecutor(server: TestServer, pool = unique('pool')): Promise<GivenExecutor> {
  const administrator = await givenAdministrator(server);
  const { data, text } = await administrator(REGISTER, { input: { name: unique('executor'), pool } });
  if (!data?.registerExecutor) throw new Error(text);
  const { token, executor } = data.registerExecutor as { token: string; executor: { id: string } };
  return { id: executor.id, pool, token, client: server.withToken(token), administrator };
}

/** @throws what it was refused with */
export async function claim(by: Client, input: object = {}): Promise<Lease[]> {
  const { data, text } = await by(CLAIM, { input });
  if (!data?.claimRuns) throw new Error(text);
  return data.claimRuns.runs as Lease[];
}

/** What is done every other second, of whatever was lost. */
export const returnLost = async ({ database }: TestServer): Promise<void> =>
  createReturnLostRuns()(database, new AbortController().signal);

/** Has the runs of an agent worked on by a pool. */
export async function putInPool(
  { developer, agentId }: GivenOrganization,
  pool: string,
  more: object = {},
): Promise<void> {
  const { errors } = await developer('mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }', {
    input: { id: agentId, pool, ...more },
  });
  expect(errors).toEqual([]);
}

export async function startRun({ developer, agentId }: GivenOrganization, more: object = {}): Promise<string> {
  const { data, text } = await developer('mutation ($input: StartRunInput!) { startRun(input: $input) { id } }', {
    input: { agentId, ...more },
  });
  if (!data?.startRun) throw new Error(text);
  return data.startRun.id as string;
}

export const report = (by: Client, id: string, input: object): Promise<Answer> => by(REPORT, { id, input });

export async function statusOf({ viewer }: GivenOrganization, id: string): Promise<string> {
  const { data, text } = await viewer('query ($id: ID!) { run(id: $id) { status } }', { id });
  if (!data?.run) throw new Error(text);
  return data.run.status as string;
}
