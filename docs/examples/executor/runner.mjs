// Claims runs and works on them, one after the other: `ORGATE_URL=... ORGATE_TOKEN=og_exec_... node runner.mjs ./work.mjs`. With the API key of
// an organization in the token's place it works for that alone. work.mjs exports `work(claimed, signal)`, which answers `{ output, ... }`.
import { setTimeout as wait } from 'node:timers/promises';

const { ORGATE_URL = 'http://localhost:4000', ORGATE_TOKEN = '', LEASE_SECONDS = '60' } = process.env;
const { work } = await import(new URL(process.argv[2] ?? './work.mjs', `file://${process.cwd()}/`));
const leaseSeconds = Number(LEASE_SECONDS);
const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stopping.abort());

const CLAIM = 'mutation ($input: ClaimRunsInput!) { claimRuns(input: $input) { runs { runId token } } }';
const READ =
  '{ claimedRun { runId agentName repositoryUrl input provider credentials { kind name provider config secret } } }';
const REPORT = `mutation ($id: ID!, $input: RunProgressInput!) {
  recordRunProgress(id: $id, input: $input) { status stopRequested { reason } } }`;

async function ask(token, query, variables = {}) {
  const response = await fetch(`${ORGATE_URL}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(`${errors[0].extensions?.code}: ${errors[0].message}`);
  return data;
}

/** What fails is told once, and tried again: a token that is not right, or a gateway that is not there. */
let told = '';
function tell({ message, cause }) {
  const what = cause ? `${message}: ${cause.message}` : message;
  if (what !== told) console.error(what);
  told = what;
  return {};
}

async function carryOut({ runId: id, token }) {
  const lost = new AbortController();
  // A report without news says that it is still worked on, and is told when that is to end.
  const beat = async () => {
    const { recordRunProgress } = await ask(token, REPORT, { id, input: {} }).catch(() => ({}));
    if (recordRunProgress?.stopRequested || recordRunProgress?.status === 'CANCELLED') lost.abort();
  };
  const beating = setInterval(() => void beat(), (leaseSeconds * 1000) / 3);
  try {
    const { claimedRun } = await ask(token, READ);
    const result = await work(claimedRun, lost.signal);
    await ask(token, REPORT, { id, input: { status: 'SUCCEEDED', ...result } });
    console.log(`${id} SUCCEEDED`);
  } catch (error) {
    console.error(id, error);
    await ask(token, REPORT, { id, input: { status: 'FAILED', error: String(error) } }).catch(() => undefined);
  } finally {
    clearInterval(beating);
  }
}

while (!stopping.signal.aborted) {
  const { claimRuns } = await ask(ORGATE_TOKEN, CLAIM, { input: { max: 1, leaseSeconds } }).catch(tell);
  for (const run of claimRuns?.runs ?? []) await carryOut(run);
  if (!claimRuns?.runs.length) await wait(1000, undefined, { signal: stopping.signal }).catch(() => undefined);
}
