import { type Client, type TestServer } from './server.js';

/** A machine that asks with a key. */
export interface GivenKey {
  readonly id: string;
  readonly secret: string;
  readonly client: Client;
}

const CREATE = `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }`;

/** @param more other fields of the input, such as `serviceAccountId` */
export async function givenKey(
  server: TestServer,
  maker: Client,
  permissions: readonly string[],
  more: object = {},
): Promise<GivenKey> {
  const { data, text } = await maker(CREATE, { input: { name: 'CI', permissions, ...more } });
  if (!data?.createApiKey) throw new Error(text);
  const { secret, apiKey } = data.createApiKey as { secret: string; apiKey: { id: string } };
  return { id: apiKey.id, secret, client: server.withToken(secret) };
}

export async function givenServiceAccount(maker: Client, role: string, more: object = {}): Promise<string> {
  const { data, text } = await maker(
    'mutation ($input: CreateServiceAccountInput!) { createServiceAccount(input: $input) { id } }',
    { input: { name: 'Deployer', role, ...more } },
  );
  if (!data?.createServiceAccount) throw new Error(text);
  return data.createServiceAccount.id as string;
}
