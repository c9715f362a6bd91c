import { expect, test } from '@jest/globals';
import { createOidc } from '../../../src/gateway/sign-in/oidc.js';
import type { OidcProvider } from '../../../src/gateway/sign-in/providers.js';

const providerOf = (id: string, version = '1'): OidcProvider => ({
  kind: 'OIDC',
  id,
  version,
  name: id,
  issuer: `https://${id}.example`,
  organization: null,
  emailDomains: null,
  clientId: 'client',
  clientSecret: null,
});

/** Providers whose configurations are as large as they like. */
function givenProviders(fillerBytes: number) {
  const asked: string[] = [];
  const oidc = createOidc(
    () => 'https://orgate.example',
    () => async (url) => {
      const { origin } = new URL(url);
      asked.push(origin);
      const configuration = {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        jwks_uri: `${origin}/jwks`,
        filler: 'x'.repeat(fillerBytes),
      };
      return new Response(JSON.stringify(configuration), { headers: { 'content-type': 'application/json' } });
    },
  );
  const begin = (provider: OidcProvider) => oidc.authorizationUrl(provider, oidc.begin(), 'state', false);
  return { asked, begin };
}

test('what providers say of themselves is kept by its size', async () => {
  const large = givenProviders(250_000);
  for (let index = 0; index < 12; index += 1) await large.begin(providerOf(`idp-${index}`));
  expect(large.asked).toHaveLength(12);
  await large.begin(providerOf('idp-11'));
  expect(large.asked).toHaveLength(12);
  await large.begin(providerOf('idp-0'));
  expect(large.asked).toHaveLength(13);

  const small = givenProviders(3000);
  for (let times = 0; times < 2; times += 1) {
    for (let index = 0; index < 100; index += 1) await small.begin(providerOf(`idp-${index}`));
  }
  expect(small.asked).toHaveLength(100);
});

test('a provider that changed is asked anew', async () => {
  const { asked, begin } = givenProviders(100);
  for (const version of ['1', '1', '2', '2']) await begin(providerOf('idp', version));
  expect(asked).toHaveLength(2);
});
