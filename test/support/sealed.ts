import { type GivenOrganization, givenOrganization } from './given.js';
import type { TestServer } from './server.js';
import { until } from './until.js';

/** An organization of which all that was done so far is sealed: what is heard of it is what is done then. */
export async function givenSealed(server: TestServer): Promise<GivenOrganization> {
  const acme = await givenOrganization(server);
  await until(async () => {
    const { data } = await acme.admin('{ auditLog(first: 1) { nodes { sequence } } }');
    return data.auditLog.nodes[0]?.sequence != null;
  });
  return acme;
}
