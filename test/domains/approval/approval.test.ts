import { describe, expect, test } from '@jest/globals';
import { CATALOGUE } from '../../../src/context/deployment.js';
import { due } from '../../../src/domains/approval/jobs.js';
import { openAgreed } from '../../../src/domains/organization/outside.js';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import type { DueKind } from '../../../src/jobs/due-kind.js';
import { Parts } from '../../../src/parts.js';
import { byTest } from '../../support/act.js';
import { givenKey, givenServiceAccount } from '../../support/api-key.js';
import { comeBack, type GivenOrganization, givenMember, givenOrganization, personId } from '../../support/given.js';
import { givenGrant, givenImpersonation } from '../../support/impersonation.js';
import { openReplica, sendMailOf } from '../../support/due-work.js';
import { startMailServer } from '../../support/mail.js';
import { type Answer, type Client, codeOf, useServer } from '../../support/server.js';

const server = useServer();
const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

const START = `mutation ($input: StartRunInput!) { startRun(input: $input) {
  id status estimatedCostMicros approval { id inputHash status order waitsFor { id } submittedBy { id } } } }`;
const SETTINGS = `mutation ($approval: ApprovalSettingsInput!) {
  updateOrganization(input: { settings: { approval: $approval } }) { id } }`;
const DECIDE = `mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { status reason inputHash
  decisions { by { id } decision comment } waitsFor { id } } }`;
const APPROVALS = `query ($filter: ApprovalFilter) { approvals(filter: $filter) {
  totalCount nodes { id status subjectId reason inputHash waitsFor { id } decidedAt } } }`;
const CLOSE = 'mutation { updateOrganization(input: { settings: { security: { membership: SET_ONLY } } }) { id } }';
const CANCEL = 'mutation ($id: ID!) { cancelApproval(id: $id) { status reason } }';
const CANCEL_RUN = 'mutation ($id: ID!) { cancelRun(id: $id) { status } }';
const RUN = `query ($id: ID!) { run(id: $id) { status error finishedAt repository { id } approval { id status reason } } }`;

/** Does what approvals have coming by themselves by now. */
async function workOff(): Promise<void> {
  const parts = new Parts().add(CATALOGUE, createContract().catalogue);
  const replica = openReplica(server, { kinds: due as DueKind<never>[], parts });
  await replica.workOff();
  expect(replica.ended.filter(({ outcome }) => outcome === 'failed' || outcome === 'given_up')).toEqual([]);
}

const reasonOf = (answer: Answer) => [codeOf(answer), answer.errors[0]?.extensions['reason']];

interface Waiting {
  readonly runId: string;
  readonly id: string;
  readonly inputHash: string;
}

/** Has the organization ask. Whoever is named decides. */
async function ask(acme: GivenOrganization, more: object = {}, ...approvers: Client[]): Promise<void> {
  const named = await Promise.all(approvers.map(personId));
  const approval = { requireFor: [{ kind: 'EVERY_RUN' }], approvers: named, ...more };
  expect((await acme.owner(SETTINGS, { approval })).errors).toEqual([]);
}

async function start(acme: GivenOrganization, more: object = {}, by = acme.developer): Promise<Waiting> {
  const { data, errors } = await by(START, { input: { agentId: acme.agentId, ...more } });
  expect(errors).toEqual([]);
  const { id: runId, status, approval } = data.startRun;
  expect(status).toBe('AWAITING_APPROVAL');
  return { runId, id: approval.id, inputHash: approval.inputHash };
}

const decide = (client: Client, { id, inputHash }: Waiting, decision = 'APPROVE', comment?: string) =>
  client(DECIDE, { input: { id, decision, inputHash, comment } });

async function runOf({ viewer }: GivenOrganization, { runId }: Waiting) {
  const { data, errors } = await viewer(RUN, { id: runId });
  expect(errors).toEqual([]);
  return data.run;
}

async function approvalOf({ viewer }: GivenOrganization, { runId }: Waiting) {
  const { data, errors } = await viewer(APPROVALS, { filter: { subjectId: runId } });
  expect(errors).toEqual([]);
  return data.approvals.nodes[0];
}

describe('A run waits to be allowed where the settings say so', () => {
  test('none does while they do not', async () => {
    const acme = await givenOrganization(server);
    const started = await acme.developer(START, { input: { agentId: acme.agentId } });
    expect(started.data.startRun).toMatchObject({ status: 'QUEUED', approval: null });
  });

  const SWITCH =
    'mutation ($flags: JSONObject) { updateOrganization(input: { settings: { featureFlags: $flags } }) { id } }';
  test.each<[string, (acme: GivenOrganization) => Promise<unknown>]>([
    [
      'the organization',
      async ({ owner }) => expect((await owner(SWITCH, { flags: { approvals: false } })).errors).toEqual([]),
    ],
    [
      'whoever runs the deployment',
      ({ id }) => server.database.outside(openAgreed).setEntitlements(id, { features: { approvals: false } }, byTest),
    ],
  ])('what is set stays so where the feature is switched off by %s, and nothing more is set', async (_, switchOff) => {
    const acme = await givenOrganization(server);
    const requireFor = [{ kind: 'AGENT', agentId: acme.agentId }, { kind: 'EVERY_RUN' }];
    await ask(acme, { requireFor }, acme.admin);
    await switchOff(acme);
    const waiting = await start(acme);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    expect((await decide(acme.admin, waiting)).data.decideApproval.status).toBe('APPROVED');
    const more = { kind: 'RUNS_OVER', costMicros: 1 };
    for (const wanted of [[more], [...requireFor, more]]) {
      const refused = await acme.owner(SETTINGS, { approval: { requireFor: wanted } });
      expect(refused.errors[0]?.extensions).toMatchObject({
        code: 'FEATURE_DISABLED',
        feature: 'approvals',
        argument: 'input.settings.approval.requireFor',
      });
    }
    // Whom it takes may be changed still, and what is set taken back, one by one or all.
    await ask(acme, { requireFor: [{ kind: 'EVERY_RUN' }] }, acme.owner);
    expect((await approvalOf(acme, await start(acme))).waitsFor).toEqual([{ id: await personId(acme.owner) }]);
    await ask(acme, { requireFor: [] });
    const free = await acme.developer(START, { input: { agentId: acme.agentId } });
    expect(free.data.startRun).toMatchObject({ status: 'QUEUED', approval: null });
    expect(codeOf(await acme.owner(SETTINGS, { approval: { requireFor } }))).toBe('FEATURE_DISABLED');
  });

  test('every one, and it goes on once it is allowed', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const waiting = await start(acme, { input: { b: 1, a: [2] }, idempotencyKey: 'once' });
    const again = await acme.developer(START, {
      input: { agentId: acme.agentId, input: { a: [2], b: 1 }, idempotencyKey: 'once' },
    });
    expect(again.data.startRun).toMatchObject({ id: waiting.runId, approval: { id: waiting.id } });
    expect(await approvalOf(acme, waiting)).toMatchObject({
      status: 'PENDING',
      waitsFor: [{ id: await personId(acme.admin) }],
      decidedAt: null,
    });
    expect(codeOf(await decide(acme.viewer, waiting))).toBe('FORBIDDEN');
    expect(codeOf(await decide(acme.owner, waiting))).toBe('FORBIDDEN');
    const decided = await decide(acme.admin, waiting, 'APPROVE', 'Go.');
    expect(decided.errors).toEqual([]);
    expect(decided.data.decideApproval).toMatchObject({
      status: 'APPROVED',
      reason: 'Go.',
      waitsFor: [],
      decisions: [{ by: { id: await personId(acme.admin) }, decision: 'APPROVE', comment: 'Go.' }],
    });
    expect(await runOf(acme, waiting)).toMatchObject({ status: 'QUEUED', error: null, finishedAt: null });
    expect(reasonOf(await decide(acme.admin, waiting))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
  });

  test('of one agent, and those that cost more than so much, or nobody knows how much', async () => {
    const acme = await givenOrganization(server);
    const statusOf = async (estimatedCostMicros?: number) => {
      const { data, errors } = await acme.developer(START, { input: { agentId: acme.agentId, estimatedCostMicros } });
      expect(errors).toEqual([]);
      return data.startRun.status;
    };
    const other = await acme.developer('mutation ($input: CreateAgentInput!) { createAgent(input: $input) { id } }', {
      input: { repositoryId: acme.repositoryId, name: 'Other' },
    });
    const requireFor = [{ kind: 'AGENT', agentId: other.data.createAgent.id }];
    await ask(acme, { requireFor }, acme.admin);
    expect(await statusOf()).toBe('QUEUED');
    await ask(acme, { requireFor: [...requireFor, { kind: 'AGENT', agentId: acme.agentId }] }, acme.admin);
    expect(await statusOf()).toBe('AWAITING_APPROVAL');
    // Nor is it made anew under another id.
    const remove = (document: 'deleteAgent' | 'deleteRepository') =>
      document === 'deleteAgent'
        ? acme.developer('mutation ($id: ID!) { deleteAgent(id: $id) }', { id: acme.agentId })
        : acme.developer('mutation ($id: ID!) { deleteRepository(id: $id) }', { id: acme.repositoryId });
    expect(codeOf(await remove('deleteAgent'))).toBe('CONFLICT');
    expect(codeOf(await remove('deleteRepository'))).toBe('CONFLICT');
    const over = (costMicros: number) => ask(acme, { requireFor: [{ kind: 'RUNS_OVER', costMicros }] }, acme.admin);
    await over(1000);
    expect(await statusOf()).toBe('AWAITING_APPROVAL');
    // What somebody says of themselves, or of their agent, is no way round.
    expect(await statusOf(1)).toBe('AWAITING_APPROVAL');
    await sql(`update agent set estimated_cost_micros = 1 where org_id = $1 and id = $2`, [acme.id, acme.agentId]);
    expect(await statusOf()).toBe('AWAITING_APPROVAL');
    const succeed = async () => {
      const { data } = await acme.developer(START, { input: { agentId: acme.agentId } });
      const { errors } = await acme.developer(
        'mutation ($id: ID!) { recordRunProgress(id: $id, input: { status: SUCCEEDED, totalCostMicros: 900 }) { id } }',
        { id: data.startRun.id },
      );
      expect(errors).toEqual([]);
    };
    await ask(acme, { requireFor: [] });
    for (let each = 0; each < 9; each += 1) await succeed();
    await over(1000);
    expect(await statusOf(1)).toBe('AWAITING_APPROVAL');
    await ask(acme, { requireFor: [] });
    await succeed();
    await over(1000);
    expect(await statusOf()).toBe('QUEUED');
    expect(await statusOf(1000)).toBe('QUEUED');
    expect(await statusOf(1001)).toBe('AWAITING_APPROVAL');
    // Nor is what its makers say, where that is more: they may have reported less of what it did.
    await sql(`update agent set estimated_cost_micros = 1001 where org_id = $1 and id = $2`, [acme.id, acme.agentId]);
    expect(await statusOf()).toBe('AWAITING_APPROVAL');
    expect(await statusOf(1)).toBe('AWAITING_APPROVAL');
    await sql(`update agent set estimated_cost_micros = 1 where org_id = $1 and id = $2`, [acme.id, acme.agentId]);
    await over(899);
    expect(await statusOf(1)).toBe('AWAITING_APPROVAL');
    expect((await remove('deleteAgent')).errors).toEqual([]);
  });
});

describe('The settings', () => {
  test('are for OWNERs, name who can decide, and have others decide strictly before nobody does', async () => {
    const acme = await givenOrganization(server);
    const refusal = async (client: Client, approval: object) => {
      const answer = await client(SETTINGS, { approval });
      return [codeOf(answer), answer.errors[0]?.extensions['argument']];
    };
    const at = (path: string) => ['BAD_USER_INPUT', `input.settings.approval.${path}`];
    expect(await refusal(acme.admin, { requireFor: [{ kind: 'EVERY_RUN' }] })).toEqual([
      'FORBIDDEN',
      'input.settings.approval.requireFor',
    ]);
    const globex = await givenOrganization(server);
    for (const client of [acme.viewer, globex.owner])
      expect(await refusal(acme.owner, { approvers: [await personId(client)] })).toEqual(at('approvers'));
    expect(await refusal(acme.owner, { escalationTo: await personId(globex.owner) })).toEqual(at('escalationTo'));
    expect(await refusal(acme.owner, { requireFor: [{ kind: 'AGENT', agentId: globex.agentId }] })).toEqual(
      at('requireFor'),
    );
    for (const escalationAfterHours of [12, 13])
      expect(await refusal(acme.owner, { escalationAfterHours, autoApproveAfterHours: 12 })).toEqual(
        at('escalationAfterHours'),
      );
    expect((await acme.owner(SETTINGS, { approval: { escalationAfterHours: 12 } })).errors).toEqual([]);
    expect(await refusal(acme.owner, { autoApproveAfterHours: 12 })).toEqual(at('autoApproveAfterHours'));
    expect((await acme.owner(SETTINGS, { approval: { autoApproveAfterHours: 13 } })).errors).toEqual([]);
    // Nor by going back to what was before.
    await acme.owner(SETTINGS, { approval: { autoApproveAfterHours: null } });
    await acme.owner(SETTINGS, { approval: { escalationAfterHours: 24 } });
    await acme.owner(SETTINGS, { approval: { autoApproveAfterHours: 25 } });
    const other = await givenMember(server, acme, 'DEVELOPER');
    expect((await acme.owner(SETTINGS, { approval: { approvers: [await personId(other)] } })).errors).toEqual([]);
    await acme.owner(SETTINGS, { approval: { approvers: [] } });
    await acme.owner('mutation ($userId: ID!) { removeMember(userId: $userId) { status } }', {
      userId: await personId(other),
    });
    const back = await acme.owner(
      'mutation { rollbackSettings(version: 7, expectedVersion: 8) { settings { version } } }',
    );
    expect([codeOf(back), back.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', 'version']);
  });
});

describe('How many it takes', () => {
  test('ANY: one of them, and a second is late', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin, acme.owner);
    const waiting = await start(acme);
    expect((await decide(acme.owner, waiting)).data.decideApproval.status).toBe('APPROVED');
    expect(reasonOf(await decide(acme.admin, waiting, 'REJECT'))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
  });

  test('ALL: each of them once, in whatever order, and one no is enough', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { order: 'ALL' }, acme.admin, acme.owner);
    const waiting = await start(acme);
    expect((await decide(acme.owner, waiting)).data.decideApproval).toMatchObject({
      status: 'PENDING',
      waitsFor: [{ id: await personId(acme.admin) }],
    });
    expect(reasonOf(await decide(acme.owner, waiting))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
    expect((await runOf(acme, waiting)).status).toBe('AWAITING_APPROVAL');
    expect((await decide(acme.admin, waiting)).data.decideApproval.status).toBe('APPROVED');
    const other = await start(acme);
    await decide(acme.owner, other);
    expect((await decide(acme.admin, other, 'REJECT', 'Too much.')).data.decideApproval).toMatchObject({
      status: 'REJECTED',
      reason: 'Too much.',
    });
    expect(await runOf(acme, other)).toMatchObject({
      status: 'CANCELLED',
      error: 'It was not approved: Too much.',
      finishedAt: expect.any(String),
    });
  });

  test('SEQUENTIAL: in their order, and whoever comes before their turn has none', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { order: 'SEQUENTIAL' }, acme.admin, acme.owner);
    const waiting = await start(acme);
    for (const decision of ['APPROVE', 'REJECT'])
      expect(reasonOf(await decide(acme.owner, waiting, decision))).toEqual(['CONFLICT', 'NOT_YOUR_TURN']);
    expect((await decide(acme.admin, waiting)).data.decideApproval).toMatchObject({
      status: 'PENDING',
      waitsFor: [{ id: await personId(acme.owner) }],
    });
    expect((await decide(acme.owner, waiting)).data.decideApproval.status).toBe('APPROVED');
  });
});

describe('Whoever started it', () => {
  test('does not decide, nor a key of theirs, nor do they by a service account; where the settings allow it they do, and no key', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin, acme.owner);
    const key = await givenKey(server, acme.admin, ['run:start', 'approval:decide', 'approval:read', 'agent:read']);
    const own = await start(acme, {}, acme.admin);
    const byKey = await start(acme, {}, key.client);
    const serviceAccountId = await givenServiceAccount(acme.admin, 'DEVELOPER');
    const machine = await givenKey(server, acme.admin, ['run:start', 'agent:read', 'approval:read'], {
      serviceAccountId,
    });
    const byMachine = await start(acme, {}, machine.client);
    for (const waiting of [own, byKey, byMachine]) {
      for (const client of [acme.admin, key.client]) expect(codeOf(await decide(client, waiting))).toBe('FORBIDDEN');
      expect((await approvalOf(acme, waiting)).waitsFor).toEqual([{ id: await personId(acme.owner) }]);
    }
    await ask(acme, { allowSelfApproval: true }, acme.admin, acme.owner);
    const allowed = await start(acme, {}, acme.admin);
    expect(codeOf(await decide(key.client, allowed))).toBe('FORBIDDEN');
    expect((await decide(acme.admin, allowed)).data.decideApproval.status).toBe('APPROVED');
    // The key of another approver is theirs.
    const others = await givenKey(server, acme.owner, ['approval:decide', 'approval:read']);
    const started = await start(acme);
    expect((await decide(others.client, started)).data.decideApproval.status).toBe('APPROVED');
  });

  test('is whoever acted for a member, too', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    await givenGrant(acme, 'WRITE');
    const { samId, acting } = await givenImpersonation(server, acme, { as: 'developer' });
    const { id } = await start(acme, {}, acting);
    const approval = await server.database.organizationDb(acme.id, byTest).approval.get({ id });
    expect([approval.submittedById, approval.keyMadeById]).toEqual([await personId(acme.developer), samId]);
  });

  test('and what they began goes on by nobody else’s silence, nor do they take anything back that waits', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 1 }, acme.admin);
    await givenGrant(acme, 'WRITE');
    const { acting } = await givenImpersonation(server, acme, { as: 'developer' });
    const [theirs, own] = [await start(acme, {}, acting), await start(acme)];
    const db = server.database.organizationDb(acme.id, byTest);
    expect((await db.approval.get({ id: theirs.id })).autoApprovesAt).toBeNull();
    expect((await db.approval.get({ id: own.id })).autoApprovesAt).not.toBeNull();
    const CANCEL = 'mutation ($id: ID!) { cancelRun(id: $id) { status } }';
    for (const { runId } of [theirs, own]) expect(codeOf(await acting(CANCEL, { id: runId }))).toBe('FORBIDDEN');
    expect(await runOf(acme, own)).toMatchObject({ status: 'AWAITING_APPROVAL' });
    for (const { runId } of [theirs, own]) {
      expect((await acme.developer(CANCEL, { id: runId })).data.cancelRun.status).toBe('CANCELLED');
    }
  });

  test('takes it back, as an ADMIN does, and nobody else', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.owner);
    const cancel = (client: Client, { id }: Waiting) => client(CANCEL, { id });
    const other = await givenMember(server, acme, 'DEVELOPER');
    const [one, two] = [await start(acme), await start(acme)];
    for (const client of [acme.viewer, other]) expect(codeOf(await cancel(client, one))).toBe('FORBIDDEN');
    expect((await cancel(acme.developer, one)).data.cancelApproval).toMatchObject({
      status: 'CANCELLED',
      reason: `By DEVELOPER of ${acme.slug}.`,
    });
    expect((await cancel(acme.admin, two)).data.cancelApproval.status).toBe('CANCELLED');
    for (const waiting of [one, two]) {
      expect(await runOf(acme, waiting)).toMatchObject({
        status: 'CANCELLED',
        error: expect.stringMatching(/^Its approval was taken back: By /),
      });
      expect(reasonOf(await cancel(acme.admin, waiting))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
    }
  });

  test('takes it back whatever their role has become, and a key of theirs that was given so much', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.owner);
    const [one, two, others] = [await start(acme), await start(acme), await start(acme, {}, acme.admin)];
    const [reading, cancelling] = [
      await givenKey(server, acme.developer, ['approval:read']),
      await givenKey(server, acme.developer, ['approval:read', 'approval:cancel']),
    ];
    const userId = await personId(acme.developer);
    await acme.owner('mutation ($userId: ID!) { updateMemberRole(userId: $userId, role: VIEWER) { role } }', {
      userId,
    });
    expect((await acme.developer(CANCEL, { id: one.id })).data?.cancelApproval?.status).toBe('CANCELLED');
    expect((await runOf(acme, one)).status).toBe('CANCELLED');
    expect(codeOf(await acme.developer(CANCEL, { id: others.id }))).toBe('FORBIDDEN');
    expect(codeOf(await reading.client(CANCEL, { id: two.id }))).toBe('FORBIDDEN');
    expect((await cancelling.client(CANCEL, { id: two.id })).data.cancelApproval.status).toBe('CANCELLED');
  });
});

describe('What waits', () => {
  test('is no work: nobody claims it, nobody reports on it, nothing is held for it, and its status is counted', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 3000000 }) { hardStopAtLimit } }');
    const waiting = await start(acme, { estimatedCostMicros: 100 });
    const { rows } = await sql('select count(*)::int as count from run_queue where org_id = $1 and run_id = $2', [
      acme.id,
      waiting.runId,
    ]);
    expect(rows).toEqual([{ count: 0 }]);
    const claims = async () =>
      (await acme.admin('mutation { claimRuns(input: { max: 100 }) { runs { runId } } }')).data.claimRuns.runs;
    expect((await claims()).map(({ runId }) => runId)).not.toContain(waiting.runId);
    const report =
      'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { id } }';
    for (const input of [{ status: 'RUNNING' }, { status: 'CANCELLED' }, { status: 'QUEUED' }, { totalTokens: 1 }, {}])
      expect(codeOf(await acme.developer(report, { id: waiting.runId, input }))).toBe('CONFLICT');
    const read = `{ organizationUsage { totalRuns budget { monthly { reservedMicros } } runsByStatus { status count } } }`;
    const before = (await acme.viewer(read)).data.organizationUsage;
    expect(before.budget.monthly.reservedMicros).toBe(0);
    expect(before.runsByStatus).toContainEqual({ status: 'AWAITING_APPROVAL', count: 1 });
    await decide(acme.admin, waiting);
    const after = (await acme.viewer(read)).data.organizationUsage;
    expect(after.budget.monthly.reservedMicros).toBe(100);
    expect(after.runsByStatus).toContainEqual({ status: 'AWAITING_APPROVAL', count: 0 });
    expect(after.totalRuns).toBe(before.totalRuns);
    expect((await claims()).map(({ runId }) => runId)).toContain(waiting.runId);
  });

  test('goes on only where a limit has room, and is PENDING still where it has none', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    // What the organization was given cost 2,500,000.
    await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 2500500 }) { hardStopAtLimit } }');
    const [large, small] = [
      await start(acme, { estimatedCostMicros: 501 }),
      await start(acme, { estimatedCostMicros: 500 }),
    ];
    const refused = await decide(acme.admin, large);
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'BUDGET_EXCEEDED',
      limit: 'MONTHLY',
      reservedMicros: 0,
    });
    expect(await approvalOf(acme, large)).toMatchObject({ status: 'PENDING' });
    expect((await runOf(acme, large)).status).toBe('AWAITING_APPROVAL');
    expect((await decide(acme.admin, small)).data.decideApproval.status).toBe('APPROVED');
    // What they said of it was not said.
    await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 2501001 }) { hardStopAtLimit } }');
    expect((await decide(acme.admin, large)).data.decideApproval.status).toBe('APPROVED');
  });

  test('is held to what it usually costs, though there was no limit yet when it was started', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    await sql(`update agent set estimated_cost_micros = 101 where org_id = $1 and id = $2`, [acme.id, acme.agentId]);
    const waiting = await start(acme);
    await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 2500100 }) { hardStopAtLimit } }');
    expect(codeOf(await decide(acme.admin, waiting))).toBe('BUDGET_EXCEEDED');
    await acme.owner('mutation { setCostLimits(input: { monthlyLimitMicros: 2500101 }) { hardStopAtLimit } }');
    expect((await decide(acme.admin, waiting)).data.decideApproval.status).toBe('APPROVED');
  });

  test('is cancelled as any run, and its approval with it', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const waiting = await start(acme);
    const other = await givenMember(server, acme, 'DEVELOPER');
    expect(codeOf(await other(CANCEL_RUN, { id: waiting.runId }))).toBe('FORBIDDEN');
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    const byAdmin = await start(acme);
    expect((await acme.admin(CANCEL_RUN, { id: byAdmin.runId })).data.cancelRun.status).toBe('CANCELLED');
    const cancelled = await acme.developer(CANCEL_RUN, { id: waiting.runId });
    expect(cancelled.data.cancelRun.status).toBe('CANCELLED');
    expect(await approvalOf(acme, waiting)).toMatchObject({ status: 'CANCELLED', reason: 'The run was cancelled.' });
    expect(reasonOf(await decide(acme.admin, waiting))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
    const { rows } = await sql(`select from due_work where org_id = $1 and kind = 'approval'`, [acme.id]);
    expect(rows).toHaveLength(0);
  });
});

describe('A decision is bound to what will run', () => {
  const agent = (acme: GivenOrganization, input: object) =>
    acme.admin('mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { version } }', {
      input: { id: acme.agentId, ...input },
    });
  const repository = (acme: GivenOrganization, input: object) =>
    acme.admin('mutation ($input: UpdateRepositoryInput!) { updateRepository(input: $input) { id } }', {
      input: { id: acme.repositoryId, ...input },
    });

  test('and not to what is no part of it', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const waiting = await start(acme);
    await agent(acme, { description: 'Otherwise.', estimatedCostMicros: 7 });
    await repository(acme, { name: 'other', description: 'Otherwise.' });
    expect((await decide(acme.admin, waiting)).data.decideApproval.status).toBe('APPROVED');
  });

  test.each<[string, (acme: GivenOrganization) => Promise<Answer>]>([
    ['the name of its agent', (acme) => agent(acme, { name: 'Another' })],
    ['its pool', (acme) => agent(acme, { pool: 'gpu' })],
    ['how often it is tried', (acme) => agent(acme, { retryPolicy: { maxAttempts: 9, backoffSeconds: 1 } })],
    ['where its repository is fetched', (acme) => repository(acme, { gitUrl: 'https://git.example/other.git' })],
    ['which branch', (acme) => repository(acme, { branch: 'next' })],
  ])('but to %s: whoever saw something else is told', async (_, change) => {
    const acme = await givenOrganization(server);
    await ask(acme, { order: 'ALL' }, acme.admin, acme.owner);
    const waiting = await start(acme);
    expect((await decide(acme.owner, waiting)).data.decideApproval.status).toBe('PENDING');
    expect((await change(acme)).errors).toEqual([]);
    for (const decision of ['APPROVE', 'REJECT'])
      expect(reasonOf(await decide(acme.admin, waiting, decision))).toEqual(['CONFLICT', 'INPUT_CHANGED']);
    const { inputHash, status } = await approvalOf(acme, waiting);
    expect([status, inputHash === waiting.inputHash]).toEqual(['PENDING', false]);
    // Nor does whoever has seen it allow what was not started: they reject it.
    const now = { ...waiting, inputHash };
    for (const client of [acme.admin, acme.owner])
      expect(reasonOf(await decide(client, now))).toEqual(['CONFLICT', 'INPUT_CHANGED']);
    expect((await decide(acme.admin, now, 'REJECT')).data.decideApproval).toMatchObject({
      status: 'REJECTED',
      inputHash,
    });
  });

  test('which differs between inputs and estimates, and not between the orders of keys', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const hashOf = async (more: object) => (await start(acme, more)).inputHash;
    const same = await hashOf({ input: { a: 1, b: [1, 2] }, estimatedCostMicros: 5 });
    expect(await hashOf({ input: { b: [1, 2], a: 1 }, estimatedCostMicros: 5, priority: 3 })).toBe(same);
    const others = [
      await hashOf({ input: { a: 1, b: [2, 1] }, estimatedCostMicros: 5 }),
      await hashOf({ input: { a: 1, b: [1, 2] }, estimatedCostMicros: 6 }),
      await hashOf({ input: { a: 1, b: [1, 2] } }),
      await hashOf({ estimatedCostMicros: 5 }),
    ];
    expect(new Set([same, ...others]).size).toBe(5);
  });

  test('where its agent is gone nobody allows it, and it may be rejected', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const waiting = await start(acme);
    await acme.admin('mutation ($id: ID!) { deleteAgent(id: $id) }', { id: acme.agentId });
    expect(reasonOf(await decide(acme.admin, waiting))).toEqual(['CONFLICT', 'INPUT_CHANGED']);
    const now = { ...waiting, inputHash: (await approvalOf(acme, waiting)).inputHash };
    expect(reasonOf(await decide(acme.admin, now))).toEqual(['CONFLICT', 'INPUT_CHANGED']);
    expect((await decide(acme.admin, now, 'REJECT')).data.decideApproval.status).toBe('REJECTED');
  });

  test('also once it was allowed: what waits still is cancelled, and whoever has claimed it is not told what to do', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const [claimed, waiting] = [await start(acme, { priority: 9 }), await start(acme)];
    await decide(acme.admin, claimed);
    const { data } = await acme.admin('mutation { claimRuns(input: { max: 1 }) { runs { runId token } } }');
    const [lease] = data.claimRuns.runs;
    expect(lease?.runId).toBe(claimed.runId);
    await decide(acme.admin, waiting);
    const claim = server.withToken(lease?.token ?? '');
    const read = () => claim('{ claimedRun { runId agentName } }');
    expect((await read()).data.claimedRun?.runId).toBe(claimed.runId);
    await agent(acme, { name: 'Another' });
    expect(reasonOf(await read())).toEqual(['CONFLICT', 'INPUT_CHANGED']);
    expect(await runOf(acme, waiting)).toMatchObject({
      status: 'CANCELLED',
      error: 'What it does was changed after it was approved.',
      approval: { status: 'APPROVED' },
    });
    expect((await acme.viewer(RUN, { id: acme.runId })).data.run.status).toBe('QUEUED');
  });

  test('and the database lets nothing go on otherwise', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const { runId } = await start(acme);
    const db = server.database.organizationDb(acme.id, byTest);
    for (const status of ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED'] as const)
      await expect(db.run.update({ id: runId }, { status })).rejects.toThrow();
    await expect(db.run.update({ id: acme.runId }, { status: 'AWAITING_APPROVAL' })).rejects.toThrow();
  });
});

describe('Approvers who cannot decide any more are skipped', () => {
  const remove = (acme: GivenOrganization, userId: string) =>
    acme.owner('mutation ($userId: ID!) { removeMember(userId: $userId) { status } }', { userId });

  test('one who left, one who was demoted and one who is suspended; with none left the OWNERs decide', async () => {
    const acme = await givenOrganization(server);
    const [one, two] = [await givenMember(server, acme, 'DEVELOPER'), await givenMember(server, acme, 'DEVELOPER')];
    await ask(acme, { order: 'SEQUENTIAL' }, one, two, acme.admin);
    const waiting = await start(acme);
    const waitsFor = async () => (await approvalOf(acme, waiting)).waitsFor.map(({ id }) => id);
    expect(await waitsFor()).toEqual([await personId(one)]);
    expect(codeOf(await decide(acme.owner, waiting))).toBe('FORBIDDEN');
    await acme.owner('mutation ($userId: ID!) { updateMemberRole(userId: $userId, role: VIEWER) { role } }', {
      userId: await personId(one),
    });
    expect(await waitsFor()).toEqual([await personId(two)]);
    expect(codeOf(await decide(one, waiting))).toBe('FORBIDDEN');
    await acme.owner('mutation ($userId: ID!) { suspendMember(userId: $userId) { status } }', {
      userId: await personId(two),
    });
    expect(await waitsFor()).toEqual([await personId(acme.admin)]);
    await remove(acme, await personId(acme.admin));
    expect(await waitsFor()).toEqual([await personId(acme.owner)]);
    expect((await decide(acme.owner, waiting)).data.decideApproval.status).toBe('APPROVED');
  });

  test('and whom the organization keeps out, since they belong elsewhere, too, for as long as they do', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const other = await givenMember(server, acme, 'DEVELOPER');
    await ask(acme, { order: 'SEQUENTIAL' }, acme.admin, other);
    expect((await acme.owner(CLOSE)).errors).toEqual([]);
    const waiting = await start(acme);
    const waitsFor = async () => (await approvalOf(acme, waiting)).waitsFor.map(({ id }) => id);
    expect(await waitsFor()).toEqual([await personId(acme.admin)]);
    await givenMember(server, globex, 'VIEWER', { email: acme.admin.email });
    expect(await waitsFor()).toEqual([await personId(other)]);
    expect(reasonOf(await decide(acme.admin, waiting))).toEqual(['FORBIDDEN', 'SET_ONLY']);
    expect(codeOf(await decide(acme.owner, waiting))).toBe('FORBIDDEN');
    await givenMember(server, globex, 'VIEWER', { email: other.email });
    expect(await waitsFor()).toEqual([await personId(acme.owner)]);
    // Of what is started meanwhile nobody is told who could do nothing about it.
    const next = await start(acme);
    const told = await sql('select user_id from notification where org_id = $1 and target_id = $2', [acme.id, next.id]);
    expect(told.rows).toEqual([{ user_id: await personId(acme.owner) }]);
    await acme.admin('mutation { leaveOrganization { status } }', {}, { 'x-organization-id': globex.slug });
    expect(await waitsFor()).toEqual([await personId(acme.admin)]);
    expect(codeOf(await decide(acme.owner, waiting))).toBe('FORBIDDEN');
    expect((await decide(acme.admin, waiting)).data.decideApproval.status).toBe('APPROVED');
  });

  test('where all others have allowed it, it takes another yes, of one of them or an OWNER', async () => {
    const acme = await givenOrganization(server);
    const [one, two] = [await givenMember(server, acme, 'ADMIN'), await givenMember(server, acme, 'ADMIN')];
    await ask(acme, { order: 'ALL' }, one, two);
    const waiting = [await start(acme), await start(acme), await start(acme)] as const;
    for (const each of waiting) await decide(one, each);
    expect(codeOf(await decide(acme.owner, waiting[0]))).toBe('FORBIDDEN');
    await remove(acme, await personId(two));
    await workOff();
    const left = [await personId(one), await personId(acme.owner)].toSorted();
    for (const each of waiting) {
      const { status, waitsFor } = await approvalOf(acme, each);
      expect([status, waitsFor.map(({ id }) => id).toSorted()]).toEqual(['PENDING', left]);
    }
    expect((await decide(acme.owner, waiting[0])).data.decideApproval.status).toBe('APPROVED');
    expect((await decide(one, waiting[1])).data.decideApproval.status).toBe('APPROVED');
    expect((await decide(acme.owner, waiting[2], 'REJECT')).data.decideApproval.status).toBe('REJECTED');
  });
});

describe('Who left and is back', () => {
  test('says anew what they think: what they said before counts no more, and they say it once', async () => {
    const acme = await givenOrganization(server);
    const [one, two] = [await givenMember(server, acme, 'ADMIN'), await givenMember(server, acme, 'ADMIN')];
    await ask(acme, { order: 'ALL' }, one, two);
    const waiting = await start(acme);
    await decide(one, waiting);
    await comeBack(server, acme, one);
    const both = [await personId(one), await personId(two)].toSorted();
    expect((await approvalOf(acme, waiting)).waitsFor.map(({ id }) => id).toSorted()).toEqual(both);
    expect((await decide(two, waiting)).data.decideApproval.status).toBe('PENDING');
    expect(reasonOf(await decide(two, waiting))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
    const { data, errors } = await decide(one, waiting);
    expect(errors).toEqual([]);
    expect(data.decideApproval.status).toBe('APPROVED');
    const said = data.decideApproval.decisions.map(({ by, decision }) => [by?.id, decision]);
    const [first, second] = [await personId(one), await personId(two)];
    expect(said).toEqual([first, second, first].map((id) => [id, 'APPROVE']));
  });
});

/** To whom what is in the outbox goes, which nobody has opened. */
const mailsOf = async ({ id }: GivenOrganization) =>
  Number((await sql(`select count(*) from due_work where org_id = $1 and kind = 'mail'`, [id])).rows[0]?.['count']);

describe('Whoever started it is told what became of it', () => {
  const toldOf = async (client: Client, { id }: Waiting): Promise<string[]> => {
    const { data, errors } = await client('{ notifications { nodes { kind text targetId } } }');
    expect(errors).toEqual([]);
    const about = data.notifications.nodes.filter(({ targetId }) => targetId === id);
    expect(about.filter(({ kind }) => kind !== 'APPROVAL')).toEqual([]);
    return about.map(({ text }) => text);
  };

  test('that it was approved, rejected or taken back by somebody else, in their list and by mail', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const waiting = [await start(acme), await start(acme), await start(acme), await start(acme)] as const;
    const before = await mailsOf(acme);
    await decide(acme.admin, waiting[0], 'APPROVE', 'Go.');
    await decide(acme.admin, waiting[1], 'REJECT', 'Too much.');
    await acme.admin(CANCEL, { id: waiting[2].id });
    await acme.owner(CANCEL_RUN, { id: waiting[3].runId });
    expect(await Promise.all(waiting.map((each) => toldOf(acme.developer, each)))).toEqual([
      ['A run of yours in acme Inc. was approved'],
      ['A run of yours in acme Inc. was not approved'],
      ['A run of yours in acme Inc. was taken back'],
      ['A run of yours in acme Inc. was taken back'],
    ]);
    expect(await mailsOf(acme)).toBe(before + 4);
    const smtp = await startMailServer();
    try {
      await sendMailOf(server, acme.id, smtp.url);
      const mails = smtp.received.filter(({ to }) => to?.[0]?.address === acme.developer.email);
      expect(mails).toHaveLength(4);
      const rejected = mails.find(({ subject }) => subject === 'A run of yours in acme Inc. was not approved')?.text;
      for (const part of [`ADMIN of ${acme.slug}`, waiting[1].runId, 'Too much.']) expect(rejected).toContain(part);
    } finally {
      await smtp.close();
    }
  });

  test('and not of what they did themselves, in person or by a key', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { allowSelfApproval: true }, acme.developer, acme.admin);
    const key = await givenKey(server, acme.developer, ['run:cancel', 'run:read']);
    const own = [await start(acme), await start(acme), await start(acme), await start(acme)] as const;
    await decide(acme.developer, own[0]);
    await acme.developer(CANCEL, { id: own[1].id });
    expect((await acme.developer(CANCEL_RUN, { id: own[2].runId })).errors).toEqual([]);
    expect((await key.client(CANCEL_RUN, { id: own[3].runId })).errors).toEqual([]);
    for (const each of own) {
      expect((await approvalOf(acme, each)).status).not.toBe('PENDING');
      expect(await toldOf(acme.developer, each)).toEqual(['A run in acme Inc. waits for you']);
    }
  });

  test('as they want it, and service accounts are told nothing', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const serviceAccountId = await givenServiceAccount(acme.admin, 'DEVELOPER');
    const machine = await givenKey(server, acme.owner, ['run:start', 'agent:read', 'approval:read'], {
      serviceAccountId,
    });
    const waiting = [await start(acme), await start(acme, {}, machine.client)] as const;
    const preferences = [{ kind: 'APPROVAL', ways: ['LIST'] }];
    await acme.developer(
      `mutation ($input: SetNotificationPreferencesInput!) { setNotificationPreferences(input: $input) { kind } }`,
      { input: { preferences } },
    );
    const before = await mailsOf(acme);
    for (const each of waiting) await decide(acme.admin, each);
    expect(await mailsOf(acme)).toBe(before);
    expect(await toldOf(acme.developer, waiting[0])).toHaveLength(1);
    const ids = waiting.map(({ id }) => id);
    const { rows } = await sql('select user_id from notification where org_id = $1 and target_id = any ($2)', [
      acme.id,
      ids,
    ]);
    const told = new Set(rows.map(({ user_id: id }) => id as string));
    expect(told).toEqual(new Set([await personId(acme.admin), await personId(acme.developer)]));
  });
});

// Last, since these move the clock.
describe('Nobody decides', () => {
  const HOUR_MS = 3_600_000;
  const pass = async (hours: number): Promise<void> => {
    server.database.pool.clock.advance(Math.round(hours * HOUR_MS));
    await workOff();
  };
  const lastTold = async ({ developer }: GivenOrganization) =>
    (await developer('{ notifications(first: 1) { nodes { text } } }')).data.notifications.nodes[0]?.text;
  const entriesOf = async ({ id }: GivenOrganization, action: string) =>
    (
      await sql(
        'select actor_kind, actor_name, reason from audit_entry where org_id = $1 and action = $2 order by number',
        [id, action],
      )
    ).rows;

  const setRole = (acme: GivenOrganization, userId: string, role: string) =>
    acme.owner(
      'mutation ($userId: ID!, $role: OrganizationRole!) { updateMemberRole(userId: $userId, role: $role) { role } }',
      {
        userId,
        role,
      },
    );

  test('then others may, who are told once and decide alone; and those who were asked still may', async () => {
    const acme = await givenOrganization(server);
    const [one, two] = [await givenMember(server, acme, 'DEVELOPER'), await givenMember(server, acme, 'DEVELOPER')];
    const escalationTo = await personId(acme.admin);
    await ask(acme, { order: 'SEQUENTIAL', escalationAfterHours: 12, escalationTo }, one, two);
    const waiting = [await start(acme), await start(acme)] as const;
    expect(await mailsOf(acme)).toBe(2);
    expect(reasonOf(await decide(acme.admin, waiting[0]))).toEqual(['CONFLICT', 'NOT_YOUR_TURN']);
    await pass(11);
    expect(await mailsOf(acme)).toBe(2);
    await pass(1.1);
    await pass(1);
    expect(await mailsOf(acme)).toBe(4);
    expect((await approvalOf(acme, waiting[0])).waitsFor.map(({ id }) => id)).toEqual([
      await personId(one),
      escalationTo,
    ]);
    expect(reasonOf(await decide(two, waiting[0]))).toEqual(['CONFLICT', 'NOT_YOUR_TURN']);
    expect((await decide(acme.admin, waiting[0])).data.decideApproval.status).toBe('APPROVED');
    expect((await decide(one, waiting[1])).data.decideApproval.status).toBe('PENDING');
    expect((await decide(two, waiting[1])).data.decideApproval.status).toBe('APPROVED');
  });

  test('and whoever was to is gone: OWNERs may', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { escalationAfterHours: 1, escalationTo: await personId(acme.admin) }, acme.admin);
    const waiting = await start(acme, {}, acme.admin);
    await pass(2);
    expect((await decide(acme.owner, waiting)).data.decideApproval.status).toBe('APPROVED');
  });

  test('and whom it was escalated to is gone since: OWNERs may, who are told once; and nobody by what is set later', async () => {
    const acme = await givenOrganization(server);
    const one = await givenMember(server, acme, 'DEVELOPER');
    const hours = { escalationAfterHours: 1 };
    await ask(acme, { ...hours, escalationTo: await personId(one) }, acme.admin);
    const waiting = await start(acme);
    const textsOf = async (client: Client) =>
      (await client('{ notifications { nodes { text } } }')).data.notifications.nodes.map(({ text }) => text);
    await pass(1.1);
    expect(await textsOf(one)).toEqual(['A run in acme Inc. still waits: decide']);
    await ask(acme, { ...hours, escalationTo: await personId(acme.owner) }, acme.admin);
    await pass(1);
    expect(codeOf(await decide(acme.owner, waiting))).toBe('FORBIDDEN');
    expect(await textsOf(acme.owner)).toEqual([]);
    const before = await mailsOf(acme);
    expect((await setRole(acme, await personId(one), 'VIEWER')).errors).toEqual([]);
    for (const hour of [0.01, 1, 1]) await pass(hour);
    expect(await textsOf(acme.owner)).toEqual(['A run in acme Inc. still waits: decide']);
    expect(await mailsOf(acme)).toBe(before + 1);
    expect((await decide(acme.owner, waiting)).data.decideApproval.status).toBe('APPROVED');
  });

  test('it is approved by itself, as SYSTEM with the reason', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { escalationAfterHours: 12, autoApproveAfterHours: 48 }, acme.admin);
    const waiting = await start(acme);
    await pass(12);
    await pass(35.9);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await pass(0.2);
    expect(await approvalOf(acme, waiting)).toMatchObject({
      status: 'APPROVED',
      reason: 'Nobody decided in 48 hours.',
    });
    expect((await runOf(acme, waiting)).status).toBe('QUEUED');
    expect(await lastTold(acme)).toBe('A run of yours in acme Inc. was approved');
    expect(await entriesOf(acme, 'approval.approved')).toEqual([
      { actor_kind: 'SYSTEM', actor_name: 'approval', reason: 'Nobody decided in 48 hours.' },
    ]);
  });

  test('but not what somebody started who was away since', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 48 }, acme.admin);
    const before = await start(acme);
    await comeBack(server, acme, acme.developer);
    const after = await start(acme);
    await pass(48.1);
    const statuses = [await approvalOf(acme, before), await approvalOf(acme, after)].map(({ status }) => status);
    expect(statuses).toEqual(['PENDING', 'APPROVED']);
  });

  test('counts what they said and started just now, by a clock that is behind the one by which they joined', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 48 }, acme.admin);
    await sql(`update membership set joined_at = now() + interval '20 seconds' where org_id = $1`, [acme.id]);
    const [decided, left] = [await start(acme), await start(acme)];
    expect((await decide(acme.admin, decided)).data.decideApproval.status).toBe('APPROVED');
    await pass(48.1);
    expect((await approvalOf(acme, left)).status).toBe('APPROVED');
  });

  test('also where the feature is switched off meanwhile: what is set stays so', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 1 }, acme.admin);
    const waiting = await start(acme);
    await server.database.outside(openAgreed).setEntitlements(acme.id, { features: { approvals: false } }, byTest);
    await pass(1.1);
    expect((await approvalOf(acme, waiting)).status).toBe('APPROVED');
  });

  test('but after those were told to whom it is escalated, and have had their time, however long nothing was done', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { escalationAfterHours: 12, autoApproveAfterHours: 48 }, acme.admin);
    const waiting = await start(acme);
    const before = await mailsOf(acme);
    await pass(100);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    expect(await mailsOf(acme)).toBe(before + 1);
    await pass(35.9);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await pass(0.2);
    expect((await approvalOf(acme, waiting)).status).toBe('APPROVED');
  });

  const removeMember = (acme: GivenOrganization, userId: string) =>
    acme.owner('mutation ($userId: ID!) { removeMember(userId: $userId) { status } }', { userId });

  test.each<[string, object, (acme: GivenOrganization, adminId: string) => Promise<Answer>]>([
    ['was demoted', {}, (acme, adminId) => setRole(acme, adminId, 'VIEWER')],
    ['left', {}, removeMember],
    [
      'is suspended',
      {},
      (acme, userId) => acme.owner('mutation ($userId: ID!) { suspendMember(userId: $userId) { status } }', { userId }),
    ],
    ['is nobody, while somebody is asked', { escalationTo: null }, ({ viewer }) => viewer(APPROVALS)],
  ])('nor could: it is approved at its hour where whom it is escalated to %s', async (_, more, change) => {
    const acme = await givenOrganization(server);
    const adminId = await personId(acme.admin);
    const hours = { escalationAfterHours: 1, autoApproveAfterHours: 3, escalationTo: adminId };
    await ask(acme, { ...hours, ...more }, acme.admin);
    // There is no OWNER but who starts it.
    const waiting = await start(acme, {}, acme.owner);
    expect((await change(acme, adminId)).errors).toEqual([]);
    await pass(1.1);
    await pass(1.8);
    expect(await approvalOf(acme, waiting)).toMatchObject({ status: 'PENDING' });
    await pass(0.2);
    expect(await approvalOf(acme, waiting)).toMatchObject({
      status: 'APPROVED',
      reason: 'Nobody decided in 3 hours.',
    });
  });

  test('nor is anybody named, and whoever started it is the only OWNER: it is approved at its hour', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 2 });
    const waiting = await start(acme, {}, acme.owner);
    expect((await approvalOf(acme, waiting)).waitsFor).toEqual([]);
    await pass(1.9);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await pass(0.2);
    expect((await approvalOf(acme, waiting)).status).toBe('APPROVED');
  });

  test('while somebody comes who can: they are told within the hour, and have their time', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 4 });
    const waiting = await start(acme, {}, acme.owner);
    await pass(1.1);
    expect((await setRole(acme, await personId(acme.admin), 'OWNER')).errors).toEqual([]);
    const before = await mailsOf(acme);
    await pass(1.1);
    await pass(1.1);
    expect(await mailsOf(acme)).toBe(before + 1);
    await pass(2.8);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await pass(0.2);
    expect((await approvalOf(acme, waiting)).status).toBe('APPROVED');
  });

  test('nor what waited for 30 days meanwhile, which is over for everybody', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 720 }, acme.admin);
    const waiting = await start(acme);
    server.database.pool.clock.advance(30 * 24 * HOUR_MS);
    expect(reasonOf(await decide(acme.admin, waiting))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
    await workOff();
    expect((await approvalOf(acme, waiting)).status).toBe('EXPIRED');
    expect((await runOf(acme, waiting)).status).toBe('CANCELLED');
    const next = await start(acme);
    await pass(30 * 24 - 0.1);
    expect((await approvalOf(acme, next)).status).toBe('APPROVED');
  });

  test.each<[string, (acme: GivenOrganization) => Promise<Answer>]>([
    [
      'of whoever was suspended',
      async (acme) =>
        acme.owner('mutation ($userId: ID!) { suspendMember(userId: $userId) { status } }', {
          userId: await personId(acme.developer),
        }),
    ],
    [
      'of whoever starts no runs any more',
      async (acme) =>
        acme.owner('mutation ($userId: ID!) { updateMemberRole(userId: $userId, role: VIEWER) { role } }', {
          userId: await personId(acme.developer),
        }),
    ],
    [
      'of whoever is kept out',
      async (acme) => {
        const closed = await acme.owner(CLOSE);
        const globex = await givenOrganization(server, 'globex');
        await givenMember(server, globex, 'VIEWER', { email: acme.developer.email });
        return closed;
      },
    ],
    [
      'where the settings have nothing approved by itself any more',
      (acme) =>
        acme.owner(SETTINGS, {
          approval: { autoApproveAfterHours: null },
        }),
    ],
  ])('but not %s', async (_, change) => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 1 }, acme.admin);
    const waiting = await start(acme);
    expect((await change(acme)).errors).toEqual([]);
    await pass(2);
    expect((await runOf(acme, waiting)).status).toBe('AWAITING_APPROVAL');
  });

  /** So many more wait. */
  const flood = async ({ id, agentId }: GivenOrganization, count: number, by: string) => {
    await sql(
      `insert into approval (org_id, id, subject_type, subject_id, submitted_by, approvers, approver_order, allow_self_approval, expires_at,
         input_digest, input_hash, agent_version)
       select $1, 'apr_' || $2 || $4 || n, 'RUN', 'run_' || $2 || $4 || n, $4, '{}', 'ANY', false, now() + interval '1 year', 'x', 'x', 1
       from generate_series(1, $3::int) n`,
      [id, agentId, count, by],
    );
  };
  const drain = ({ id }: GivenOrganization) =>
    sql(`update approval set status = 'CANCELLED', decided_at = now() where org_id = $1 and input_hash = 'x'`, [id]);

  test.each([
    ['', { autoApproveAfterHours: 1 }],
    [', those to whom it is escalated', { escalationAfterHours: 1, autoApproveAfterHours: 2 }],
  ])('but not where so much waits that nobody was told%s', async (_, hours) => {
    const acme = await givenOrganization(server);
    await ask(acme, hours, acme.admin);
    await flood(acme, 101, await personId(acme.owner));
    const waiting = await start(acme);
    await pass(3);
    expect(await mailsOf(acme)).toBe(0);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await drain(acme);
    await pass(1.1);
    expect(await mailsOf(acme)).toBeGreaterThan(0);
    await pass(0.5);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await pass(0.6);
    expect((await approvalOf(acme, waiting)).status).toBe('APPROVED');
  });

  test('and whoever was not told since so much waited is told once less does, whatever comes by itself', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    await flood(acme, 101, await personId(acme.owner));
    await start(acme);
    await pass(1.1);
    expect(await mailsOf(acme)).toBe(0);
    await drain(acme);
    await pass(1.1);
    await pass(1.1);
    expect(await mailsOf(acme)).toBe(1);
  });

  test('but whoever comes after somebody who has decided is told, however much waits', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { order: 'SEQUENTIAL' }, acme.admin, acme.owner);
    const waiting = await start(acme);
    await flood(acme, 101, await personId(acme.owner));
    expect(await mailsOf(acme)).toBe(1);
    await decide(acme.admin, waiting);
    expect(await mailsOf(acme)).toBe(2);
  });

  test('and no more begin to wait than people can look at', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    await flood(acme, 99, await personId(acme.developer));
    await start(acme);
    const refused = async (client: Client) =>
      (await client(START, { input: { agentId: acme.agentId } })).errors[0]?.extensions;
    expect(await refused(acme.developer)).toMatchObject({
      code: 'LIMIT_REACHED',
      limit: 'pending_approvals',
      max: 100,
      used: 100,
    });
    await start(acme, {}, acme.admin);
    await flood(acme, 899, await personId(acme.owner));
    expect(await refused(acme.admin)).toMatchObject({ code: 'LIMIT_REACHED', max: 1000, used: 1000 });
  });

  test('but not what has changed since it was started', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 1 }, acme.admin);
    const waiting = await start(acme);
    await acme.developer('mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }', {
      input: { id: acme.agentId, name: 'Another' },
    });
    await pass(2);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
  });

  test('and there is no room: it is tried again once there may be some, and meets the limit like anyone', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, { autoApproveAfterHours: 1 }, acme.admin);
    await acme.owner('mutation { setCostLimits(input: { dailyLimitMicros: 100 }) { hardStopAtLimit } }');
    const waiting = await start(acme, { estimatedCostMicros: 101 });
    await pass(2);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await acme.owner('mutation { setCostLimits(input: { dailyLimitMicros: 1000000000 }) { hardStopAtLimit } }');
    await pass(0.5);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await pass(1);
    expect((await approvalOf(acme, waiting)).status).toBe('APPROVED');
    const { rows } = await sql('select reserved_micros::int as held from budget where org_id = $1', [acme.id]);
    expect(rows).toEqual([{ held: 101 }]);
  });

  test('for 30 days: it expires, and its run is cancelled', async () => {
    const acme = await givenOrganization(server);
    await ask(acme, {}, acme.admin);
    const waiting = await start(acme);
    await pass(30 * 24 - 1);
    expect((await approvalOf(acme, waiting)).status).toBe('PENDING');
    await pass(2);
    expect(await approvalOf(acme, waiting)).toMatchObject({ status: 'EXPIRED', reason: 'nobody decided in 30 days.' });
    expect(await runOf(acme, waiting)).toMatchObject({
      status: 'CANCELLED',
      error: 'Its approval expired: nobody decided in 30 days.',
    });
    expect(await lastTold(acme)).toBe('A run of yours in acme Inc. was not approved in time');
    expect(reasonOf(await decide(acme.admin, waiting))).toEqual(['CONFLICT', 'ALREADY_DECIDED']);
  });
});
