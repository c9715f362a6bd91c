import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inflateRawSync } from 'node:zlib';
import samlp from 'samlp';
import type { Browser, Visited } from './browser.js';
import { type CertifiedKey, givenCertifiedKey } from './certificate.js';

export const SAML_ISSUER = 'urn:acme:identity-provider';
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';

/** Who sits at the identity provider, as samlp knows people. */
export interface SamlAccount {
  readonly id: string;
  readonly name: { readonly givenName: string; readonly familyName: string };
  readonly emails: readonly { readonly value: string }[];
}

/** A real SAML provider, listening on a port of its own, that asks nobody for a password. */
export interface SamlIdentityProvider {
  readonly signInUrl: string;
  readonly certified: CertifiedKey;
  account: SamlAccount;
  /** What it does otherwise than it should. */
  options: Record<string, unknown>;
  close(): Promise<void>;
}

export async function startSamlIdentityProvider(): Promise<SamlIdentityProvider> {
  const certified = givenCertifiedKey();
  const http = createServer((request, response) => {
    const query = Object.fromEntries(new URL(request.url ?? '/', 'http://idp').searchParams);
    const [, acs] = /AssertionConsumerServiceURL="([^"]*)"/.exec(readRequest(query['SAMLRequest'] ?? '')) ?? [];
    const answer = Object.assign(response, {
      set: (name: string, value: string) => void response.setHeader(name, value),
      send: (body: unknown) => void response.end(typeof body === 'string' ? body : undefined),
    });
    samlp.auth({
      issuer: SAML_ISSUER,
      cert: certified.certificate,
      key: certified.key,
      signResponse: true,
      nameIdentifierFormat: PERSISTENT,
      lifetimeInSeconds: 300,
      getUserFromRequest: () => provider.account,
      getPostURL(_audience: string, _dom: unknown, _request: unknown, done: (error: null, url: unknown) => void) {
        done(null, acs);
      },
      recipient: acs,
      destination: acs,
      ...provider.options,
    })(Object.assign(request, { query }), answer, (error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const provider: SamlIdentityProvider = {
    signInUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}/sign-in`,
    certified,
    account: { id: 'nobody', name: { givenName: 'No', familyName: 'Body' }, emails: [] },
    options: {},
    close: () => {
      http.closeAllConnections();
      return new Promise((resolve) => http.close(() => resolve()));
    },
  };
  return provider;
}

/** The form that a provider's page has the browser post. */
export interface SamlForm {
  readonly action: string;
  readonly page: string;
  readonly SAMLResponse: string;
  readonly RelayState: string;
}

const readRequest = (base64: string): string => inflateRawSync(Buffer.from(base64, 'base64')).toString();

const unescape = (text: string): string =>
  text
    .replaceAll(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** Goes to the provider and gets its form, which is not posted yet. */
export async function fetchForm(browser: Browser, start: string): Promise<SamlForm> {
  const { next } = await browser.send(start);
  if (next === null) throw new Error('not sent to a provider');
  const { text, url } = await browser.send(next);
  const value = (pattern: RegExp) => unescape(pattern.exec(text)?.[1] ?? fail(text));
  return {
    action: value(/action="([^"]*)"/),
    page: url,
    SAMLResponse: value(/name="SAMLResponse"\s+value="([^"]*)"/),
    RelayState: value(/name="RelayState" value="([^"]*)"/),
  };
}

/** Posts it, as the page of the provider's site that it is on. */
export const postForm = (
  browser: Browser,
  { action, page, ...form }: SamlForm,
  until?: (url: string) => boolean,
): Promise<Visited> => browser.visit(action, { method: 'POST', form, from: page }, until);

/** The same form with another answer in it. */
export const withXml = (form: SamlForm, change: (xml: string) => string): SamlForm => ({
  ...form,
  SAMLResponse: Buffer.from(change(Buffer.from(form.SAMLResponse, 'base64').toString())).toString('base64'),
});

function fail(text: string): never {
  throw new Error(`the provider answered: ${text}`);
}
