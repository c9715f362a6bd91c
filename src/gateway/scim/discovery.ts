import { MAX_PAGE, SCIM } from './protocol.js';

const CORE = 'urn:ietf:params:scim:schemas:core:2.0';

/** What this provider can do, for directories that ask. */
export const serviceProviderConfig = (base: string) => ({
  schemas: [`${CORE}:ServiceProviderConfig`],
  patch: { supported: true },
  bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: MAX_PAGE },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: false },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'Bearer token',
      description: 'The token that createScimDirectory showed.',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
});

export const resourceTypes = (base: string) =>
  (['User', 'Group'] as const).map((name) => ({
    schemas: [`${CORE}:ResourceType`],
    id: name,
    name,
    endpoint: `/${name}s`,
    schema: `${CORE}:${name}`,
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
  }));

interface Attribute {
  readonly name: string;
  readonly type?: 'string' | 'boolean' | 'complex' | 'reference';
  readonly multiValued?: boolean;
  readonly required?: boolean;
  readonly caseExact?: boolean;
  readonly uniqueness?: 'none' | 'server';
  readonly subAttributes?: readonly Attribute[];
}

const spellOut = ({ subAttributes, ...attribute }: Attribute): object => ({
  type: 'string',
  multiValued: false,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...attribute,
  ...(subAttributes && { type: 'complex', subAttributes: subAttributes.map(spellOut) }),
});

const ATTRIBUTES: Readonly<Record<'User' | 'Group', readonly Attribute[]>> = {
  User: [
    { name: 'userName', required: true, uniqueness: 'server' },
    { name: 'externalId', caseExact: true },
    { name: 'displayName' },
    { name: 'name', subAttributes: [{ name: 'formatted' }, { name: 'givenName' }, { name: 'familyName' }] },
    { name: 'active', type: 'boolean' },
    {
      name: 'emails',
      multiValued: true,
      subAttributes: [{ name: 'value' }, { name: 'type' }, { name: 'primary', type: 'boolean' }],
    },
  ],
  Group: [
    { name: 'displayName', required: true },
    { name: 'externalId', caseExact: true },
    {
      name: 'members',
      multiValued: true,
      subAttributes: [{ name: 'value', caseExact: true }, { name: 'type' }, { name: '$ref', type: 'reference' }],
    },
  ],
};

/** What is kept of users and groups; everything else that is sent is passed over. */
export const schemas = (base: string) =>
  (['User', 'Group'] as const).map((name) => ({
    schemas: [`${CORE}:Schema`],
    id: SCIM[name === 'User' ? 'user' : 'group'],
    name,
    attributes: ATTRIBUTES[name].map(spellOut),
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${CORE}:${name}` },
  }));
