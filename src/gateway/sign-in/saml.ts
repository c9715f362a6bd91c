import { randomBytes } from 'node:crypto';
import { type Profile, SAML, type SamlConfig, ValidateInResponseTo } from '@node-saml/node-saml';
import { z } from 'zod';
import { toEmail } from '../../context/authenticate.js';
import type { Assertion } from '../../domains/identity-provider/provision-from-provider.js';
import { samlUrls } from '../../domains/identity-provider/sign-in-urls.js';
import { ATTEMPT_LIFETIME_MS } from '../../identity/sign-in-attempts.js';
import { boundXml } from './bound-xml.js';
import { isText, toName } from '../../identity/person-name.js';
import type { SamlProvider } from './providers.js';

/** What is kept from the way to the provider for the way back. */
export interface SamlAttempt {
  readonly requestId: string;
  readonly startedAt: string;
}

/** What a provider said, and what it takes to refuse it a second time. */
export interface SamlAnswer {
  readonly assertion: Assertion;
  readonly assertionId: string;
  readonly validUntil: Date;
}

export interface Saml {
  /** Makes the id of a request. */
  begin(): SamlAttempt;
  /**
   * Where to send the browser, with the request.
   *
   * @param isSwitching whether people are to prove anew who they are, though the provider knows somebody in this browser
   */
  requestUrl(provider: SamlProvider, attempt: SamlAttempt, relayState: string, isSwitching: boolean): Promise<string>;
  /**
   * Verifies an answer: response and assertion both signed by the provider, for this gateway, in answer to this request,
   * now. That it was not used before is for the caller to check.
   */
  finish(provider: SamlProvider, attempt: SamlAttempt, response: string): Promise<SamlAnswer>;
  /** What an administrator gives the provider. The same for every id: it tells nothing of what exists. */
  metadata(providerId: string): string;
}

const CLOCK_SKEW_MS = 30_000;
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
const EMAIL_FORMAT = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const CLAIMS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';

const EMAIL_ATTRIBUTES = [
  'email',
  'mail',
  'emailAddress',
  'urn:oid:0.9.2342.19200300.100.1.3',
  `${CLAIMS}/emailaddress`,
];
const NAME_ATTRIBUTES = [
  'displayName',
  'name',
  'urn:oid:2.16.840.1.113730.3.1.241',
  'http://schemas.microsoft.com/identity/claims/displayname',
];

/** What is relied on of an assertion beyond what the library checks. Each part stands in it once. */
const relied = z.object({
  Assertion: z.object({
    $: z.object({ ID: z.string().min(1) }),
    Issuer: z.tuple([z.object({ _: z.string() })]),
    Subject: z.tuple([
      z.object({
        SubjectConfirmation: z.tuple([
          z.object({
            $: z.object({ Method: z.literal(BEARER) }),
            SubjectConfirmationData: z.tuple([
              z.object({ $: z.object({ Recipient: z.string(), InResponseTo: z.string(), NotOnOrAfter: z.string() }) }),
            ]),
          }),
        ]),
      }),
    ]),
    Conditions: z.tuple([z.object({ AudienceRestriction: z.array(z.unknown()).min(1) })]),
  }),
});

export function createSaml(publicUrl: () => string): Saml {
  const common = (providerId: string) => {
    const { entityId, acsUrl } = samlUrls(publicUrl(), providerId);
    return {
      issuer: entityId,
      audience: entityId,
      callbackUrl: acsUrl,
      identifierFormat: PERSISTENT,
      wantAssertionsSigned: true,
      wantAuthnResponseSigned: true,
    } satisfies Partial<SamlConfig>;
  };

  const speakTo = (
    { id, signInUrl, certificates }: SamlProvider,
    { requestId, startedAt }: SamlAttempt,
    more: Pick<SamlConfig, 'forceAuthn'> = {},
  ): SAML =>
    new SAML({
      ...common(id),
      ...more,
      entryPoint: signInUrl,
      idpCert: [...certificates],
      // How people prove themselves is the provider's business.
      disableRequestedAuthnContext: true,
      acceptedClockSkewMs: CLOCK_SKEW_MS,
      maxAssertionAgeMs: ATTEMPT_LIFETIME_MS,
      validateInResponseTo: ValidateInResponseTo.always,
      requestIdExpirationPeriodMs: ATTEMPT_LIFETIME_MS,
      generateUniqueId: () => requestId,
      // One request is under way here: the one whose relay state came back.
      cacheProvider: {
        saveAsync: async (_key, value) => ({ value, createdAt: Date.parse(startedAt) }),
        getAsync: async (key) => (key === requestId ? startedAt : null),
        removeAsync: async () => null,
      },
    });

  return {
    begin: () => ({ requestId: `_${randomBytes(20).toString('hex')}`, startedAt: new Date().toISOString() }),

    requestUrl: (provider, attempt, relayState, forceAuthn) =>
      speakTo(provider, attempt, { forceAuthn }).getAuthorizeUrlAsync(relayState, undefined, {}),

    async finish(provider, attempt, response) {
      const xml = Buffer.from(response, 'base64').toString();
      boundXml(xml);
      refuseUnsafeXml(xml);
      const { profile } = await speakTo(provider, attempt).validatePostResponseAsync({ SAMLResponse: response });
      if (!profile) throw new Error('there is no assertion');
      const { Assertion: signed } = relied.parse(profile.getAssertion?.());
      const [{ SubjectConfirmation }] = signed.Subject;
      const [{ $: confirmed }] = SubjectConfirmation[0].SubjectConfirmationData;
      if (signed.Issuer[0]._ !== provider.issuer) throw new Error('the issuer is another');
      if (confirmed.InResponseTo !== attempt.requestId) throw new Error('it answers another request');
      if (confirmed.Recipient !== samlUrls(publicUrl(), provider.id).acsUrl) throw new Error('it is for someone else');
      return {
        assertion: toAssertion(profile),
        assertionId: signed.$.ID,
        validUntil: new Date(Date.parse(confirmed.NotOnOrAfter) + CLOCK_SKEW_MS),
      };
    },

    metadata: (providerId) =>
      new SAML({ ...common(providerId), idpCert: 'none' }).generateServiceProviderMetadata(null),
  };
}

/** Document types serve attacks only, and SHA-1 no longer proves who signed. */
function refuseUnsafeXml(xml: string): void {
  if (/<!doctype/i.test(xml)) throw new Error('there is a document type');
  if (/xmldsig#(rsa-|dsa-|hmac-)?sha1/i.test(xml)) throw new Error('it is signed with SHA-1');
}

function toAssertion(profile: Profile): Assertion {
  const { nameID, nameIDFormat } = profile;
  if (nameIDFormat === TRANSIENT) throw new Error('the subject is another each time');
  if (typeof nameID !== 'string' || nameID === '' || nameID.length > 255 || !isText(nameID))
    throw new Error('the subject cannot be kept');
  const attributes = new Map<string, unknown>(Object.entries(profile['attributes'] ?? {}));
  const first = (names: readonly string[]): string | undefined =>
    names.map((name) => attributes.get(name)).find((value) => typeof value === 'string');
  const email = first(EMAIL_ATTRIBUTES) ?? (nameIDFormat === EMAIL_FORMAT ? nameID : undefined);
  const fullName = [`${CLAIMS}/givenname`, `${CLAIMS}/surname`].map((name) => first([name]) ?? '').join(' ');
  return {
    subject: nameID,
    // Whoever signs for the domain has verified its addresses; that the domain is theirs is checked next.
    verifiedEmail: email === undefined ? null : toEmail(email),
    name: toName(first(NAME_ATTRIBUTES) ?? fullName),
  };
}
