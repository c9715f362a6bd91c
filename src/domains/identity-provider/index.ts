import { X509Certificate } from 'node:crypto';
import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL } from '../../context/deployment.js';
import { newId, type OrgId } from '../../data/id.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import { EGRESS } from '../../egress/egress.js';
import { badInput, conflict, OrgateError } from '../../errors.js';
import type { Resolvers } from '../../generated/graphql.js';
import { openSessions } from '../../identity/sessions.js';
import { allow, can, canAsPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { given, parseInput } from '../../resource/input.js';
import { defineList } from '../../resource/list.js';
import { deleteRow, updateIfUnchanged } from '../../resource/rows.js';
import { asActor } from '../../rights/actor.js';
import { type OrganizationSeal, SEAL, sealAnew, type SecretPlace } from '../../secrets/organization-seal.js';
import { createOidcInput, createSamlInput, updateInput } from './identity-provider-input.js';
import { record } from './record.js';
import { callbackUrl, samlUrls, startUrl } from './sign-in-urls.js';

const providers = defineList('IdentityProvider', {
  name: 'identityProviders',
  orders: { CREATED_AT: { by: 'id' }, NAME: { by: 'name' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['name'],
});

export const MAX_PROVIDERS = 10;

/** Where a provider's client secret stands: it opens in its own row only. */
export const clientSecretPlace = (orgId: string, id: string): SecretPlace => ({
  orgId,
  table: 'identity_provider',
  id,
});

/**
 * Works as someone who is OWNER now: whoever points sign-in at a provider could let it
 * assert an OWNER's e-mail, so the permission alone, which an ADMIN may be given, is not enough.
 */
const asOwner = <T>(context: RequestContext, work: (db: LockedDb) => Promise<T>): Promise<T> =>
  asActor(context, 'identity-provider:manage', async (db, actor) => {
    if (actor.role !== 'OWNER') throw new OrgateError('FORBIDDEN', 'Only an OWNER manages identity providers.');
    return work(db);
  });

const assertRoom = async (db: LockedDb): Promise<void> => {
  if ((await db.identityProvider.count({})) >= MAX_PROVIDERS) {
    throw conflict(`An organization has at most ${MAX_PROVIDERS} identity providers.`);
  }
};

/** It is asked through the one way out, which looks again. @throws BAD_USER_INPUT */
async function assertLeadsOut(issuer: string, { use, organization }: RequestContext): Promise<void> {
  const whom = { purpose: 'identity-provider', orgId: organization.orgId } as const;
  if (await use(EGRESS).leadsInside(new URL(issuer), whom)) {
    throw badInput('input.issuer', 'Must not lead into the network that this gateway stands in.');
  }
}

const sealSecret = (secret: string, id: string, { use, db, organization }: RequestContext): Promise<string> =>
  use(SEAL).seal(db, secret, clientSecretPlace(organization.orgId, id));

/** The client secrets of an organization; some were sealed before it had a key of its own. */
export async function* clientSecretsOf(db: OrganizationDb, orgId: OrgId, seal: OrganizationSeal) {
  const rows = await db.identityProvider.list({ where: {}, orderBy: { id: 'asc' }, take: MAX_PROVIDERS });
  for (const { id, clientSecret } of rows) {
    if (clientSecret === null) continue;
    yield {
      what: `client secret of ${id}`,
      async move() {
        const sealed = await sealAnew(seal, db, clientSecret, clientSecretPlace(orgId, id));
        return sealed ? db.identityProvider.updateMany({ id, clientSecret }, { clientSecret: sealed }) : 0;
      },
    };
  }
}

/** Whoever holds the other end of one of these says who someone is. */
const BELIEVED_BY = ['clientId', 'clientSecret', 'signInUrl', 'certificates'] as const;

const makers = ({ actorId }: RequestContext) => ({ createdBy: actorId, keyedBy: actorId });

const resolvers = {
  Query: {
    identityProviders: (_, args, context) => providers.page(args, context),
    identityProvider: (_, { id }, { db }) => db.identityProvider.get({ id }),
  },
  Mutation: {
    createOidcProvider: async (_, { input }, context) => {
      const { clientSecret: secret, ...provider } = parseInput(createOidcInput, input);
      await assertLeadsOut(provider.issuer, context);
      const id = newId('idp');
      const clientSecret = secret == null ? null : await sealSecret(secret, id, context);
      return asOwner(context, async (db) => {
        await assertRoom(db);
        return db.identityProvider.create({ ...provider, ...makers(context), id, kind: 'OIDC', clientSecret });
      });
    },
    createSamlProvider: (_, { input }, context) => {
      const provider = parseInput(createSamlInput, input);
      return asOwner(context, async (db) => {
        await assertRoom(db);
        return db.identityProvider.create({ ...provider, ...makers(context), id: newId('idp'), kind: 'SAML' });
      });
    },
    updateIdentityProvider: async (_, { input }, context) => {
      const { id, expectedUpdatedAt, clientSecret: secret, ...changes } = parseInput(updateInput, input);
      const clientSecret = secret == null ? secret : await sealSecret(secret, id, context);
      const updated = await asOwner(context, async (db) => {
        const { kind } = await db.identityProvider.get({ id });
        const others =
          kind === 'OIDC' ? (['signInUrl', 'certificates'] as const) : (['clientId', 'clientSecret'] as const);
        for (const field of others) {
          if (input[field] !== undefined) throw badInput(`input.${field}`, `A provider of kind ${kind} has none.`);
        }
        const keyedBy = BELIEVED_BY.some((field) => input[field] !== undefined) ? context.actorId : undefined;
        const changed = given({ ...changes, clientSecret, keyedBy });
        return updateIfUnchanged(db.identityProvider, id, expectedUpdatedAt, changed);
      });
      if (updated.status === 'DISABLED') await context.outside(openSessions).endOfProvider(id, context.act);
      return updated;
    },
    deleteIdentityProvider: async (_, { id }, context) => {
      await asOwner(context, (db) => deleteRow(db.identityProvider, id));
      await context.outside(openSessions).endOfProvider(id, context.act);
      return id;
    },
  },
  IdentityProvider: {
    startUrl: (_, _args, { use, organization }) => startUrl(use(PUBLIC_URL)(), organization.organization.slug),
    oidc: ({ id, kind, clientId, clientSecret }, _args, { use }) =>
      kind === 'OIDC' && clientId !== null
        ? {
            clientId,
            hasClientSecret: clientSecret !== null,
            callbackUrl: callbackUrl(use(PUBLIC_URL)(), id),
          }
        : null,
    saml: ({ id, kind, signInUrl, certificates }, _args, { use }) =>
      kind === 'SAML' && signInUrl !== null
        ? {
            signInUrl,
            certificates: certificates.map(describeCertificate),
            ...samlUrls(use(PUBLIC_URL)(), id),
          }
        : null,
  },
} satisfies Resolvers;

function describeCertificate(base64: string): { fingerprint: string; expiresAt: Date } {
  const { fingerprint256, validTo } = new X509Certificate(Buffer.from(base64, 'base64'));
  return { fingerprint: fingerprint256, expiresAt: new Date(validTo) };
}

export const identityProvider = defineDomain({
  resolvers,
  grants: {
    'identity-provider:manage': {
      from: 'OWNER',
      may: "Read and change how people sign in through the organization's own identity providers.",
    },
  },
  record,
  access: {
    Query: { identityProviders: can('identity-provider:manage'), identityProvider: can('identity-provider:manage') },
    Mutation: {
      createOidcProvider: canAsPerson('identity-provider:manage'),
      createSamlProvider: canAsPerson('identity-provider:manage'),
      updateIdentityProvider: canAsPerson('identity-provider:manage'),
      deleteIdentityProvider: canAsPerson('identity-provider:manage'),
    },
    IdentityProvider: allow,
    OidcSettings: allow,
    SamlSettings: allow,
    SamlCertificate: allow,
  },
  node: {
    prefix: 'idp',
    type: 'IdentityProvider',
    rule: can('identity-provider:manage'),
    find: (id, { db }) => db.identityProvider.load(id),
  },
});
