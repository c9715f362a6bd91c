import { expect } from '@jest/globals';
import { type GivenOrganization, givenOrganization } from '../support/given.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));

const change = ({ admin }: GivenOrganization, settings: object) =>
  admin('mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { id } }', {
    input: { settings },
  });
const goBack = ({ admin }: GivenOrganization, version: number, expected: number) =>
  admin(
    `mutation ($version: Int!, $expected: Int!) {
    rollbackSettings(version: $version, expectedVersion: $expected) { id } }`,
    { version, expected },
  );

async function settingsOf({ viewer }: GivenOrganization) {
  const { data } = await viewer(`{
    currentOrganization { settings {
      version branding { displayName } providerRouting { llmPreference imagePreference } agentExecution { maxConcurrentRuns }
    } }
    settingsVersions(first: 100, orderBy: { field: VERSION, direction: ASC }) { nodes { version changes { path before after } } }
  }`);
  const versions: { version: number; changes: { path: string; before: unknown; after: unknown }[] }[] =
    data.settingsVersions.nodes;
  return { ...data.currentOrganization.settings, versions };
}

race('of two writers of the same setting each sees what the other left, in either order', async () => {
  const acme = await givenOrganization(server);
  for (const order of [
    ['One', 'Two'],
    ['Two', 'One'],
  ]) {
    const before = await settingsOf(acme);
    const answers = await inOrder(
      organizationRow(acme.id),
      order.map((displayName) => () => change(acme, { branding: { displayName } })),
    );
    expect(answers.map(outcome)).toEqual(['done', 'done']);
    const { version, branding, versions } = await settingsOf(acme);
    expect(branding.displayName).toBe(order[1]);
    // What is left as it was makes no version.
    const made = versions.filter((each) => each.version > before.version);
    const values = [before.branding.displayName, ...order].filter((name, index, all) => name !== all[index - 1]);
    expect(made.map(({ changes }) => changes)).toEqual(
      values.slice(1).map((after, index) => [{ path: 'branding.displayName', before: values[index], after }]),
    );
    expect(version).toBe(before.version + made.length);
  }
});

race('of two writers who have seen the same version the first succeeds, in either order', async () => {
  const acme = await givenOrganization(server);
  for (const order of [
    ['One', 'Two'],
    ['Two', 'One'],
  ]) {
    const { version: expectedVersion } = await settingsOf(acme);
    const answers = await inOrder(
      organizationRow(acme.id),
      order.map((displayName) => () => change(acme, { expectedVersion, branding: { displayName } })),
    );
    expect(answers.map(outcome)).toEqual(['done', 'CONFLICT']);
    const after = await settingsOf(acme);
    expect(after).toMatchObject({ version: expectedVersion + 1, branding: { displayName: order[0] } });
    await change(acme, { branding: { displayName: 'Between' } });
  }
});

race('of one who changes and one who goes back the first succeeds, in either order', async () => {
  const acme = await givenOrganization(server);
  await change(acme, { branding: { displayName: 'First' } });
  for (const isChangeFirst of [true, false]) {
    const { version: expectedVersion } = await settingsOf(acme);
    const steps: (() => Promise<Answer>)[] = [
      () => change(acme, { expectedVersion, branding: { displayName: 'Changed' } }),
      () => goBack(acme, 1, expectedVersion),
    ];
    const answers = await inOrder(organizationRow(acme.id), isChangeFirst ? steps : steps.toReversed());
    expect(answers.map(outcome)).toEqual(['done', 'CONFLICT']);
    expect(await settingsOf(acme)).toMatchObject({
      version: expectedVersion + 1,
      branding: { displayName: isChangeFirst ? 'Changed' : null },
    });
  }
});

race('writers of different settings, many at once, lose nothing, and versions have no gap', async () => {
  const acme = await givenOrganization(server);
  for (let round = 0; round < 5; round += 1) {
    const wanted = {
      branding: { displayName: `name ${round}` },
      providerRouting: { llmPreference: `llm ${round}`, imagePreference: `image ${round}` },
      agentExecution: { maxConcurrentRuns: 20 + round },
    };
    const answers = await Promise.all([
      change(acme, { branding: wanted.branding }),
      change(acme, { providerRouting: { llmPreference: wanted.providerRouting.llmPreference } }),
      change(acme, { providerRouting: { imagePreference: wanted.providerRouting.imagePreference } }),
      change(acme, { agentExecution: wanted.agentExecution }),
    ]);
    expect(answers.map(outcome)).toEqual(Array(4).fill('done'));
    const { version, versions, ...settings } = await settingsOf(acme);
    expect(settings).toEqual(wanted);
    expect(version).toBe(1 + 4 * (round + 1));
    expect(versions.map((each) => each.version)).toEqual(Array.from({ length: version - 1 }, (_, index) => index + 2));
  }
});
