import { describe, expect, test } from '@jest/globals';
import { givenKey } from '../support/api-key.js';
import { givenOrganization } from '../support/given.js';
import { codeOf, useServer } from '../support/server.js';

const server = useServer();

describe('Nothing is found by what may not be read:', () => {
  test.each<[string, string, string, (ids: { agentId: string; repositoryId: string }) => string]>([
    [
      'agents by repository',
      'agent:read',
      'repository:read',
      ({ repositoryId }) => `agents(filter: { repositoryId: "${repositoryId}" }) { totalCount }`,
    ],
    [
      'runs by repository',
      'run:read',
      'repository:read',
      ({ repositoryId }) => `runs(filter: { repositoryId: "${repositoryId}" }) { totalCount }`,
    ],
    [
      'runs by agent',
      'run:read',
      'agent:read',
      ({ agentId }) => `runs(filter: { agentId: "${agentId}" }) { totalCount }`,
    ],
  ])('%s', async (_name, held, hidden, ask) => {
    const acme = await givenOrganization(server);
    const { client } = await givenKey(server, acme.developer, [held]);
    const answer = await client(`{ ${ask(acme)} }`);
    expect(codeOf(answer)).toBe('FORBIDDEN');
    expect(answer.errors[0]?.extensions['requiredPermission']).toBe(hidden);
  });
});
