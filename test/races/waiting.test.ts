import { describe, expect } from '@jest/globals';
import { givenKey } from '../support/api-key.js';
import { type GivenOrganization, givenOrganization, personId } from '../support/given.js';
import { type Answer, type Client, codeOf, useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';
import { inOrder, organizationRow, runRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

type Ask = (query: string) => Promise<Answer>;

/** A mutation of each way to wait for a lock, by what it would leave; of what rests on a run alone, for that. */
type Lock = Parameters<typeof inOrder>[0];
type Waits = readonly [
  name: string,
  query: (acme: GivenOrganization) => string,
  row?: (acme: GivenOrganization) => Lock,
];
const WAITING: readonly Waits[] = [
  ['deleteRepository', ({ repositoryId }) => `mutation { deleteRepository(id: "${repositoryId}") }`],
  ['deleteAgent', ({ agentId }) => `mutation { deleteAgent(id: "${agentId}") }`],
  ['cancelRun', ({ runId }) => `mutation { cancelRun(id: "${runId}") { status } }`, ({ runId }) => runRow(runId)],
  [
    'recordRunProgress of a run that goes on',
    ({ runId }) => `mutation { recordRunProgress(id: "${runId}", input: { totalTokens: 5 }) { status } }`,
    ({ runId }) => runRow(runId),
  ],
  [
    'recordRunProgress',
    ({ runId }) => `mutation { recordRunProgress(id: "${runId}", input: { status: RUNNING }) { status } }`,
  ],
  ['updateOrganization', () => `mutation { updateOrganization(input: { description: "mine" }) { id } }`],
  ['addDomain', ({ slug }) => `mutation { addDomain(name: "new.${slug}.org") { id } }`],
];

async function whileItWaits(
  acme: GivenOrganization,
  ask: Ask,
  query: string,
  [end, values]: readonly [string, readonly unknown[]],
  row: Lock = organizationRow(acme.id),
): Promise<unknown> {
  const [answer] = await inOrder(row, [() => ask(query)], (beside) => beside.query(end, [...values]));
  return codeOf(answer as Answer);
}

const inAcme =
  (client: (query: string, headers: Record<string, string>) => Promise<Answer>, { id }: GivenOrganization): Ask =>
  (query) =>
    client(query, { 'x-organization-id': id });

/** Everything that an ADMIN's key can hold. */
async function keyOf(admin: Client) {
  const { data } = await admin('{ permissionCatalogue { name personsOnly roles } }');
  const catalogue = data.permissionCatalogue as { name: string; personsOnly: boolean; roles: string[] }[];
  const held = catalogue.filter(({ personsOnly, roles }) => !personsOnly && roles.includes('ADMIN'));
  return givenKey(
    server,
    admin,
    held.map(({ name }) => name),
  );
}

describe.each(WAITING)('%s, which waits for a lock, is not carried out for', (_name, query, row) => {
  race('a person who is removed meanwhile', async () => {
    const acme = await givenOrganization(server);
    const end = [
      `update membership set status = 'REMOVED' where org_id = $1 and user_id = $2`,
      [acme.id, await personId(acme.admin)],
    ] as const;
    expect(await whileItWaits(acme, acme.admin, query(acme), end, row?.(acme))).toBe('FORBIDDEN');
  });

  race('a person who is demoted meanwhile', async () => {
    const acme = await givenOrganization(server);
    const end = [
      `update membership set role = 'VIEWER' where org_id = $1 and user_id = $2`,
      [acme.id, await personId(acme.admin)],
    ] as const;
    expect(await whileItWaits(acme, acme.admin, query(acme), end, row?.(acme))).toBe('FORBIDDEN');
  });

  race('a session that is revoked meanwhile', async () => {
    const acme = await givenOrganization(server);
    const browser = await givenBrowser(server, await personId(acme.admin));
    const end = [
      `update session set ended_at = current_timestamp, end_reason = 'REVOKED' where id = $1`,
      [browser.sessionId],
    ] as const;
    expect(await whileItWaits(acme, inAcme(browser, acme), query(acme), end, row?.(acme))).toBe('UNAUTHENTICATED');
  });

  race('a person who is disabled meanwhile', async () => {
    const acme = await givenOrganization(server);
    const end = [`update person set status = 'DISABLED' where id = $1`, [await personId(acme.admin)]] as const;
    expect(await whileItWaits(acme, acme.admin, query(acme), end, row?.(acme))).toBe('UNAUTHENTICATED');
  });

  race.each([
    ['revoked', 'revoked_at = current_timestamp'],
    ['over', `expires_at = current_timestamp`],
  ])('a key that is %s meanwhile', async (_how, set) => {
    const acme = await givenOrganization(server);
    const { client, id } = await keyOf(acme.admin);
    const end = [`update api_key set ${set} where org_id = $1 and id = $2`, [acme.id, id]] as const;
    expect(await whileItWaits(acme, client, query(acme), end, row?.(acme))).toBe('UNAUTHENTICATED');
  });
});

describe('leaveOrganization, which waits for its organization, is not carried out for', () => {
  race('a session that is revoked meanwhile', async () => {
    const acme = await givenOrganization(server);
    const browser = await givenBrowser(server, await personId(acme.admin));
    const end = [
      `update session set ended_at = current_timestamp, end_reason = 'REVOKED' where id = $1`,
      [browser.sessionId],
    ] as const;
    const leave = 'mutation { leaveOrganization { status } }';
    expect(await whileItWaits(acme, inAcme(browser, acme), leave, end)).toBe('UNAUTHENTICATED');
  });
});
