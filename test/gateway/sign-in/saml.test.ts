import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Browser, type Visited } from '../../support/browser.js';
import { givenCertifiedKey } from '../../support/certificate.js';
import { type GivenOrganization, givenOrganization, unique } from '../../support/given.js';
import {
  fetchForm,
  postForm,
  SAML_ISSUER,
  type SamlAccount,
  type SamlForm,
  type SamlIdentityProvider,
  startSamlIdentityProvider,
  withXml,
} from '../../support/saml-identity-provider.js';
import { startServer, type TestServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

let idp: SamlIdentityProvider;
let server: TestServer;
beforeAll(async () => {
  idp = await startSamlIdentityProvider();
  server = await startServer({
    env: {
      RATE_LIMIT_SIGN_IN: 'off',
      SIGN_IN_PROVIDERS: JSON.stringify([
        {
          id: 'corp',
          name: 'Corporate',
          kind: 'SAML',
          issuer: SAML_ISSUER,
          signInUrl: idp.signInUrl,
          certificates: [idp.certified.certificate],
          emailDomains: ['corp.example'],
        },
      ]),
    },
  });
});
afterAll(async () => {
  await server.close();
  await idp.close();
});

type Acme = GivenOrganization & { providerId: string };

const home = () => server.url.replace('127.0.0.1', 'localhost');
const domainOf = ({ slug }: { slug: string }) => `${slug}.example`;
const accountOf = (domain: string, more: Partial<SamlAccount> = {}): SamlAccount => ({
  id: unique('subject'),
  name: { givenName: 'Jane', familyName: 'Doe' },
  emails: [{ value: `${unique('jane')}@${domain}` }],
  ...more,
});
const personOf = (acme: { slug: string }, more: Partial<SamlAccount> = {}) => accountOf(domainOf(acme), more);

/** An organization that holds its domain and has a SAML provider of its own. */
async function givenProvider(more: object = {}): Promise<Acme> {
  const organization = await givenOrganization(server);
  await server.database
    .organizationDb(organization.id, byTest)
    .address.create({ name: domainOf(organization), kind: 'DOMAIN' });
  const input = {
    name: 'Corporate',
    issuer: SAML_ISSUER,
    signInUrl: idp.signInUrl,
    certificates: [idp.certified.certificate],
    ...more,
  };
  const { data, text } = await organization.owner(
    'mutation ($input: CreateSamlProviderInput!) { createSamlProvider(input: $input) { id } }',
    { input },
  );
  if (!data) throw new Error(text);
  return { ...organization, providerId: data.createSamlProvider.id };
}

/** The provider's form, in the browser of someone who began to sign in. */
async function givenForm(
  acme: Acme,
  options: Record<string, unknown> = {},
  account = personOf(acme),
): Promise<{ browser: Browser; form: SamlForm }> {
  const browser = new Browser();
  Object.assign(idp, { account, options });
  return { browser, form: await fetchForm(browser, `${home()}/auth/${acme.slug}`) };
}

const ask = (browser: Browser, query: string) =>
  server.post(JSON.stringify({ query }), {
    cookie: `__Host-orgate=${browser.cookie(home(), '__Host-orgate') ?? ''}`,
    origin: home(),
  });
const WHO = '{ viewer { user { id email name } role memberships { nodes { organization { slug } } } } }';

const lastLog = () =>
  server.logs
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .findLast(({ msg }) => /sign/.test(String(msg)));
const isSignedIn = (browser: Browser) => browser.cookie(home(), '__Host-orgate') !== undefined;
const refused = (browser: Browser, visited: Visited, status: number, reason: string) => {
  expect([visited.status, lastLog()?.['reason'], isSignedIn(browser)]).toEqual([status, reason, false]);
  expect(visited.text).toContain('Not signed in');
};

describe('Someone of the organization', () => {
  test('is made a person and a member, and enters that organization only', async () => {
    const acme = await givenProvider();
    const jane = personOf(acme);
    const { browser, form } = await givenForm(acme, {}, jane);
    const page = await postForm(browser, form);
    expect([page.status, page.url]).toEqual([200, `${home()}/auth/organizations`]);
    expect((await ask(browser, WHO)).data.viewer).toMatchObject({
      user: { email: jane.emails[0]?.value, name: 'Jane Doe' },
      role: 'VIEWER',
      memberships: { nodes: [{ organization: { slug: acme.slug } }] },
    });
  });

  test('is the same person the next time, by their subject and not by their e-mail', async () => {
    const acme = await givenProvider();
    const jane = personOf(acme);
    const ids = [];
    for (const account of [jane, { ...jane, emails: personOf(acme).emails }, { ...jane, id: unique('other') }]) {
      const { browser, form } = await givenForm(acme, {}, account);
      await postForm(browser, form);
      ids.push((await ask(browser, WHO)).data.viewer.user);
    }
    expect(ids[1]).toEqual(ids[0]);
    // Another subject with the same verified address is the same human being.
    expect(ids[2]).toEqual(ids[0]);
  });

  test('comes in by the next certificate once it is entered', async () => {
    const next = givenCertifiedKey();
    const acme = await givenProvider();
    const options = { cert: next.certificate, key: next.key };
    const early = await givenForm(acme, options);
    refused(early.browser, await postForm(early.browser, early.form), 403, 'REFUSED');
    const UPDATE = 'mutation ($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { id } }';
    await acme.owner(UPDATE, {
      input: { id: acme.providerId, certificates: [idp.certified.certificate, next.certificate] },
    });
    for (const signed of [options, {}]) {
      const { browser, form } = await givenForm(acme, signed);
      expect((await postForm(browser, form)).status).toBe(200);
    }
  });

  test('of the whole deployment comes in under the domains that were configured', async () => {
    for (const [domain, status] of [
      ['corp.example', 200],
      ['elsewhere.example', 403],
    ] as const) {
      const browser = new Browser();
      Object.assign(idp, { account: accountOf(domain), options: {} });
      expect((await postForm(browser, await fetchForm(browser, `${home()}/auth`))).status).toBe(status);
    }
  });
});

describe('The way there and back', () => {
  test('the request names this gateway, and the metadata says the same', async () => {
    const acme = await givenProvider();
    const base = `${home()}/auth/saml/${acme.providerId}`;
    const { form } = await givenForm(acme);
    expect(form.action).toBe(`${base}/acs`);
    const metadata = await new Browser().visit(`${base}/metadata`);
    expect(metadata.text).toContain(`entityID="${base}/metadata"`);
    expect(metadata.text).toContain(`Location="${base}/acs"`);
    expect(metadata.text).toContain('WantAssertionsSigned="true"');
    const unknown = await new Browser().visit(`${home()}/auth/saml/idp_unknown/metadata`);
    expect(unknown.status).toBe(metadata.status);
  });

  test('whoever asks for a switch proves anew who they are; nobody else has to', async () => {
    const acme = await givenProvider();
    const requestOf = async (search: string) => {
      const { next } = await new Browser().send(`${home()}/auth/start/${acme.providerId}${search}`);
      const deflated = new URL(next as string).searchParams.get('SAMLRequest') as string;
      return inflateRawSync(Buffer.from(deflated, 'base64')).toString();
    };
    expect(await requestOf('?switch=1')).toContain('ForceAuthn="true"');
    expect(await requestOf('')).not.toContain('ForceAuthn');
  });

  test('ends in a page of this site, which asks for the cookie of the browser that began', async () => {
    const acme = await givenProvider();
    const { browser, form } = await givenForm(acme);
    const posted = await browser.send(form.action, {
      method: 'POST',
      form: { SAMLResponse: form.SAMLResponse, RelayState: form.RelayState },
      from: form.page,
    });
    expect(posted.status).toBe(303);
    expect(posted.headers.getSetCookie()).toEqual([]);
    expect(isSignedIn(browser)).toBe(false);
    const victim = new Browser();
    refused(victim, await victim.visit(posted.next as string), 400, 'NOT_UNDER_WAY');
    await victim.send(`${home()}/auth/${acme.slug}`);
    refused(victim, await victim.visit(posted.next as string), 400, 'NOT_UNDER_WAY');
    expect((await browser.visit(posted.next as string)).status).toBe(200);
    const again = new Browser();
    refused(again, await browser.visit(posted.next as string).then((page) => page), 400, 'NOT_UNDER_WAY');
  });

  test('an answer that another browser posts signs nobody in', async () => {
    const { form } = await givenForm(await givenProvider());
    const victim = new Browser();
    refused(victim, await postForm(victim, form), 400, 'NOT_UNDER_WAY');
  });

  test('an answer serves once', async () => {
    const { browser, form } = await givenForm(await givenProvider());
    await postForm(browser, form);
    const thief = new Browser();
    refused(thief, await postForm(thief, form), 400, 'NOT_UNDER_WAY');
  });

  test('an assertion that was used is remembered, whatever it comes with', async () => {
    const acme = await givenProvider();
    const { browser, form } = await givenForm(acme);
    const id = /<saml:Assertion[^>]* ID="([^"]*)"/.exec(Buffer.from(form.SAMLResponse, 'base64').toString())?.[1];
    const { createHash } = await import('node:crypto');
    await server.database.pool.queryAsLoginRole(
      `insert into saml_assertion_seen (provider_id, assertion_hash, expires_at) values ($1, $2, now() + interval '1 h')`,
      [
        acme.providerId,
        createHash('sha256')
          .update(id ?? '')
          .digest('base64url'),
      ],
    );
    refused(browser, await postForm(browser, form), 400, 'NOT_UNDER_WAY');
  });

  test('an answer does not fit another request of the same person', async () => {
    const acme = await givenProvider();
    const jane = personOf(acme);
    const [stolen, own] = [await givenForm(acme, {}, jane), await givenForm(acme, {}, jane)];
    const { browser, form } = own;
    const mixed = { ...form, SAMLResponse: stolen.form.SAMLResponse };
    refused(browser, await postForm(browser, mixed), 403, 'REFUSED');
  });

  test('a provider that begins by itself signs nobody in', async () => {
    const acme = await givenProvider();
    const unasked = await givenForm(acme, { inResponseTo: ' ' });
    const { form } = await givenForm(acme);
    const bare = withXml(unasked.form, (xml) => xml.replaceAll(/InResponseTo="[^"]*"/g, ''));
    for (const relayState of ['', 'home', home()]) {
      const browser = new Browser();
      refused(browser, await postForm(browser, { ...form, RelayState: relayState }), 400, 'NOT_UNDER_WAY');
    }
    refused(unasked.browser, await postForm(unasked.browser, bare), 403, 'REFUSED');
  });

  test('an answer for one organization’s provider is none for another’s, though the two are one', async () => {
    const [acme, globex] = [await givenProvider(), await givenProvider()];
    const { browser, form } = await givenForm(acme);
    const elsewhere = { ...form, action: form.action.replace(acme.providerId, globex.providerId) };
    refused(browser, await postForm(browser, elsewhere), 400, 'NOT_UNDER_WAY');
    const own = await givenForm(globex);
    const mixed = { ...own.form, SAMLResponse: form.SAMLResponse };
    refused(own.browser, await postForm(own.browser, mixed), 403, 'REFUSED');
  });

  test('what comes back late, or is no form at all, signs nobody in', async () => {
    const acme = await givenProvider();
    const { browser, form } = await givenForm(acme);
    await server.database.pool.queryAsLoginRole(
      `update sign_in_attempt set expires_at = current_timestamp - interval '1 second' where provider_id = $1`,
      [acme.providerId],
    );
    refused(browser, await postForm(browser, form), 400, 'NOT_UNDER_WAY');
    for (const body of ['', 'SAMLResponse=x', 'RelayState=x', '%%%']) {
      const response = await fetch(form.action, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body,
      });
      expect(response.status).toBe(400);
    }
  });
});

describe('An answer is refused', () => {
  const other = givenCertifiedKey();
  test.each<[string, Record<string, unknown>]>([
    ['whose response is not signed', { signResponse: false }],
    ['whose assertion is not signed', { signAssertion: false }],
    ['that is signed by another key', { cert: other.certificate, key: other.key }],
    ['that is signed by another key under the right certificate', { key: other.key }],
    ['that is signed with SHA-1', { signatureAlgorithm: 'rsa-sha1', digestAlgorithm: 'sha1' }],
    ['that is over', { lifetimeInSeconds: -120 }],
    ['for another audience', { audience: 'https://other.example/metadata' }],
    ['for another recipient', { recipient: 'https://other.example/acs' }],
    ['of another issuer', { issuer: 'urn:someone:else' }],
    ['to another request', { inResponseTo: '_0123456789' }],
    [
      'whose subject is another each time',
      { nameIdentifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
    ],
    [
      'that says that it failed',
      { samlStatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Responder', signAssertion: false },
    ],
  ])('%s', async (_what, options) => {
    const { browser, form } = await givenForm(await givenProvider(), options);
    refused(browser, await postForm(browser, form), 403, 'REFUSED');
  });

  test('whose assertion names no recipient or request', async () => {
    const { browser, form } = await givenForm(await givenProvider(), { recipient: undefined });
    refused(browser, await postForm(browser, form), 403, 'REFUSED');
  });

  /** Parts of a response, for putting together again in other ways. */
  function parts(xml: string) {
    const [assertion = ''] = /<saml:Assertion[\s\S]*<\/saml:Assertion>/.exec(xml) ?? [];
    const outside = xml.replace(assertion, '');
    const [signature = ''] = /<Signature[\s\S]*?<\/Signature>/.exec(outside) ?? [];
    const victim = 'victim-subject';
    const evil = assertion
      .replace(/<Signature[\s\S]*?<\/Signature>/, '')
      .replace(/ ID="[^"]*"/, ' ID="_evil"')
      .replace(/(<saml:NameID[^>]*>)[^<]*/, `$1${victim}`);
    if (!assertion || !signature || evil === assertion) throw new Error('not a signed response');
    return { assertion, signature, evil, evilSigned: evil, unsigned: xml.replace(signature, '') };
  }
  const dear = (xml: string) =>
    xml.replace(/(<CanonicalizationMethod Algorithm=")[^"]*/, '$1http://www.w3.org/TR/2001/REC-xml-c14n-20010315');
  test.each<[string, (xml: string) => string, string]>([
    ['what grows with the square of its namespaces', dear, 'a transform is not of SAML'],
    [
      'elements of its own in a signature',
      (xml) => xml.replace('</SignedInfo>', '<x/></SignedInfo>'),
      'a signature holds what is not of SAML',
    ],
    ['more than any provider sends', (xml) => `${xml}${' '.repeat(65_536)}`, 'the document is too long'],
  ])('with %s, before it is parsed', async (_what, change, why) => {
    const { browser, form } = await givenForm(await givenProvider());
    refused(browser, await postForm(browser, withXml(form, change)), 403, 'REFUSED');
    expect(JSON.stringify(lastLog())).toContain(why);
  });

  const asResponse = (xml: string) => xml.replace(/ ID="[^"]*"/, ' ID="_evil_response"');

  test.each<[string, (xml: string) => string]>([
    ['a changed subject', (xml) => xml.replace(/(<saml:NameID[^>]*>)[^<]*/, '$1victim')],
    ['a changed attribute', (xml) => xml.replaceAll('jane', 'adam')],
    ['a comment in the subject', (xml) => xml.replace(/(<saml:NameID[^>]*>)(...)/, '$1$2<!-- -->') + '<!-- -->'],
    ['a document type', (xml) => `<!DOCTYPE x [<!ENTITY y "z">]>${xml}`],
    ['no signature of the response', (xml) => parts(xml).unsigned],
    ['no signature at all', (xml) => xml.replaceAll(/<Signature[\s\S]*?<\/Signature>/g, '')],
    [
      'the signed response inside its own signature (XSW 1)',
      (xml) => {
        const { assertion, evil, signature, unsigned } = parts(xml);
        const wrapped = signature.replace('</Signature>', `<Object>${unsigned}</Object></Signature>`);
        return asResponse(xml).replace(assertion, evil).replace(signature, wrapped);
      },
    ],
    [
      'the signed response beside its signature (XSW 2)',
      (xml) => {
        const { assertion, evil, signature, unsigned } = parts(xml);
        return asResponse(xml).replace(assertion, evil).replace(signature, `${unsigned}${signature}`);
      },
    ],
    [
      'the signed response in an extension',
      (xml) => {
        const { assertion, evil, signature } = parts(xml);
        const extension = `<samlp:Extensions>${xml}</samlp:Extensions>`;
        return asResponse(xml).replace(assertion, evil).replace(signature, extension);
      },
    ],
    [
      'a forged assertion before the signed one (XSW 3)',
      (xml) => xml.replace('<saml:Assertion', `${parts(xml).evil}<saml:Assertion`),
    ],
    [
      'a forged assertion after the signed one',
      (xml) => xml.replace('</samlp:Response>', `${parts(xml).evil}</samlp:Response>`),
    ],
    [
      'a forged assertion around the signed one (XSW 4)',
      (xml) => {
        const { assertion, evil } = parts(xml);
        return xml.replace(assertion, evil.replace('</saml:Assertion>', `${assertion}</saml:Assertion>`));
      },
    ],
    [
      'a forged assertion that holds the signed one in its signature (XSW 8), in an unsigned response',
      (xml) => {
        const { assertion, evil, unsigned } = parts(xml);
        const [inner = ''] = /<Signature[\s\S]*?<\/Signature>/.exec(assertion) ?? [];
        const wrapped = inner.replace('</Signature>', `<Object>${assertion.replace(inner, '')}</Object></Signature>`);
        return unsigned.replace(assertion, evil.replace('<saml:Subject>', `${wrapped}<saml:Subject>`));
      },
    ],
    [
      'a forged assertion in an extension (XSW 7)',
      (xml) => xml.replace('<samlp:Status>', `<samlp:Extensions>${parts(xml).evil}</samlp:Extensions><samlp:Status>`),
    ],
  ])('with %s', async (what, change) => {
    const acme = await givenProvider();
    const { browser, form } = await givenForm(acme);
    const changed = withXml(form, change);
    expect(changed.SAMLResponse).not.toBe(form.SAMLResponse);
    const visited = await postForm(browser, changed);
    if (visited.status === 200) {
      // A comment is no part of what is signed: then the whole text counts, not what stands before the comment.
      expect(what).toContain('comment');
      const { rows } = await server.database.pool.queryAsLoginRole('select subject from identity where issuer = $1', [
        `urn:orgate:provider:${acme.providerId}`,
      ]);
      expect(rows).toEqual([{ subject: idp.account.id }]);
    } else refused(browser, visited, 403, 'REFUSED');
  });
});

describe('Nobody is signed in', () => {
  test.each<[string, Partial<SamlAccount>, string]>([
    ['whose address is elsewhere', { emails: [{ value: 'jane@elsewhere.example' }] }, 'EMAIL_DOMAIN'],
    ['who has no address', { emails: [] }, 'EMAIL_UNVERIFIED'],
  ])('%s', async (_who, more, reason) => {
    const acme = await givenProvider();
    const { browser, form } = await givenForm(acme, {}, personOf(acme, more));
    refused(browser, await postForm(browser, form), 403, reason);
  });
});
