import { type GivenOrganization, unique } from './given.js';
import type { TestServer } from './server.js';

export interface ScimAnswer {
  readonly status: number;
  readonly headers: Headers;
  // Answers have as many shapes as there are resources; what a test reads of one, it asserts.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** A directory of people, sending as one does. */
export interface ScimClient {
  (method: string, path: string, body?: object): Promise<ScimAnswer>;
  readonly id: string;
  readonly token: string;
  /** The domain that its organization holds. */
  readonly domain: string;
}

const CREATE = `mutation ($input: CreateScimDirectoryInput!) {
  createScimDirectory(input: $input) { token directory { id } }
}`;

export const withScimToken =
  (server: TestServer, token: string) =>
  async (method: string, path: string, body?: object): Promise<ScimAnswer> => {
    const response = await fetch(`${server.url}/scim/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/scim+json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
  };

/** A directory of an organization that holds a domain; how that is proved has tests of its own. */
export async function givenDirectory(
  server: TestServer,
  organization: GivenOrganization,
  input: { name?: string; defaultRole?: string } = {},
): Promise<ScimClient> {
  const { data, text } = await organization.owner(CREATE, { input: { name: unique('directory'), ...input } });
  if (!data?.createScimDirectory) throw new Error(text);
  const { token, directory } = data.createScimDirectory;
  const domain = await givenHeldDomain(server, organization);
  return Object.assign(withScimToken(server, token as string), {
    id: directory.id as string,
    token: token as string,
    domain,
  });
}

async function givenHeldDomain(server: TestServer, { id, slug }: GivenOrganization): Promise<string> {
  const name = `people.${slug}.example`;
  await server.database.pool.queryAsLoginRole(
    `insert into address (name, kind, org_id) values ($1, 'DOMAIN', $2) on conflict do nothing`,
    [name, id],
  );
  return name;
}
