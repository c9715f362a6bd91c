import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/config.js';
import { createAuthenticate } from '../context/authenticate.js';
import { CATALOGUE, KEY_ENVIRONMENT, PUBLIC_URL, REAL_TIME } from '../context/deployment.js';
import { HOSTS } from '../context/hosts.js';
import { lookAtHost } from '../context/look-at-host.js';
import { REFUSALS } from '../context/refusal.js';
import { JOIN_ON_SIGN_IN } from '../context/enter-organization.js';
import type { OpenedDeployment } from '../deployment.js';
import type { Development } from '../development/index.js';
import { brandingAt } from '../domains/branding/index.js';
import { domains } from '../domains/index.js';
import { EGRESS } from '../egress/egress.js';
import { CALLS } from '../domains/usage/index.js';
import { remoteKeys } from '../identity/issuer-keys.js';
import { SEAL } from '../secrets/organization-seal.js';
import { serveAudit } from './audit/serve-audit.js';
import { serveExport } from './export/serve-export.js';
import type { Contract } from './graphql/schema.js';
import { createFormatError } from './graphql/format-error.js';
import { createHall } from './graphql/run.js';
import { serveGraphQL } from './graphql/serve-graphql.js';
import { serveSdl } from './graphql/serve-sdl.js';
import { receiveBodies } from './http/bodies/receive-bodies.js';
import { limitAddresses } from './http/limit-requests.js';
import { countLookups, countWait, type Metrics } from './http/metrics.js';
import { slotByAddress, Slots } from './http/slots.js';
import { createRateLimits, type RateLimits } from './http/rate-limits.js';
import { currentRecord } from './http/request-record.js';
import { Senders } from './http/senders.js';
import { serveGraphiQL } from './pages/graphiql-page.js';
import { serveFavicon, serveHome } from './pages/home-page.js';
import { serveInvitations } from './pages/invitation-page.js';
import { serveScim } from './scim/scim.js';
import { createOidc } from './sign-in/oidc.js';
import { createIsFromOwnPage } from './sign-in/own-page.js';
import { createProviders } from './sign-in/providers.js';
import { createSaml } from './sign-in/saml.js';
import { serveSignIn } from './sign-in/serve-sign-in.js';
import { serveSignOut } from './sign-in/sign-out.js';
import { serveTokens } from './sign-in/tokens.js';

export interface DoorParts {
  readonly config: Config;
  readonly deployment: OpenedDeployment;
  readonly development: Development | null;
  readonly contract: Contract;
  readonly metrics: Metrics;
  /** See `createExecute`. */
  readonly compileFrom: number;
}

/** Opens every door of the gateway. @returns what closes them, once no request is in flight */
export async function openDoors(app: FastifyInstance, parts: DoorParts): Promise<() => Promise<void>> {
  const { config, deployment, development, contract, metrics } = parts;
  const { outside, organizationDb, use, tokens, signingKeys, signInAttempts } = deployment;
  const { corsOrigins } = config;
  const publicUrl = use(PUBLIC_URL);
  // Whoever tries it out works in GraphiQL.
  const productUrl = () => config.productUrl ?? (config.development && config.graphiql ? `${publicUrl()}/` : null);
  const limits = openLimits(app, parts);
  receiveBodies(app, config.bodyLimitBytes);
  limitAddresses(app, limits);

  const isFromOwnPage = createIsFromOwnPage(publicUrl, use(HOSTS), corsOrigins, config.development);
  const configured = config.issuers.map(({ jwksUri, ...issuer }) => {
    return { ...issuer, keys: remoteKeys(jwksUri), development: false };
  });
  const issuers = [tokens.trusted, ...configured, ...(development ? [development.issuer.trusted] : [])];
  const realTime = use(REAL_TIME);
  const authenticate = createAuthenticate(issuers, use(KEY_ENVIRONMENT), countLookups(metrics, 'tokens'), () =>
    realTime().getTime(),
  );
  const slots = new Slots(countWait(metrics, 'thread'));
  metrics.waiting.set('thread', () => slots.waiting);
  const context = { authenticate, isFromOwnPage, deployment, limits, senders: new Senders() };
  app.decorateRequest('slot', null);
  const { introspection, maxQueryCost: maxCost, maxAnswer } = config;
  const { compileFrom } = parts;
  const { schema } = contract;
  const { tellRequest } = app;
  const formatError = createFormatError({
    unexpected: (err, ids) => app.log.error({ err, ...ids }, 'unexpected error'),
    busy: (reason, ids) => app.log.warn({ reason, ...ids }, 'busy'),
  });
  // Every door that executes operations is handed this.
  const hall = createHall({
    schema,
    introspection,
    limits,
    maxCost,
    maxAnswer,
    compileFrom,
    formatError,
    tellRequest,
    tellDocument: countLookups(metrics, 'documents'),
    tellOperation: countLookups(metrics, 'operations'),
  });
  const counted = { ...context, calls: use(CALLS) };
  const graphql = {
    ...counted,
    admitsImpersonation: true,
    admitsMachines: true,
    slots,
    hall,
    formatError,
    schema,
    introspection,
    maxAnswer,
    bodyLimit: config.bodyLimitBytes,
  } as const;
  const apollo = await serveGraphQL(app, graphql);
  if (introspection) serveSdl(app, schema);
  const providers = createProviders({
    outside,
    organizationDb,
    // Where none are configured, a development server has one that signs in anyone as anyone.
    configured: () =>
      config.signInProviders.length === 0 ? (development?.signInProviders(publicUrl()) ?? []) : config.signInProviders,
    seal: use(SEAL),
  });
  void app.register(async (pages) => {
    slotByAddress(pages, slots);
    serveInvitations(pages, { ...context, productUrl });
    serveSignIn(pages, {
      outside,
      organizationDb,
      attempts: signInAttempts,
      providers,
      oidc: createOidc(
        publicUrl,
        (orgId) => use(EGRESS).fetchFor({ purpose: 'identity-provider', orgId }),
        countLookups(metrics, 'providers'),
      ),
      saml: createSaml(publicUrl),
      catalogue: use(CATALOGUE),
      joinOnSignIn: use(JOIN_ON_SIGN_IN),
      publicUrl,
      development: config.development,
      corsOrigins,
      metrics,
      productUrl,
      hosts: use(HOSTS),
      lookAtHost: (host) => lookAtHost(host, use),
      branding: (name) => brandingAt(name, deployment),
      isFromOwnPage,
    });
    serveSignOut(pages, context);
    serveTokens(pages, { outside, tokens, signingKeys, isFromOwnPage });
    if (!config.graphiql)
      serveHome(pages, {
        branding: (request) => brandingAt(use(HOSTS).nameIn(request.host), deployment),
        outside,
        offersSignIn: async () => (await providers.offered(null)).length > 0,
      });
  });
  serveAudit(app, { ...counted, slots, maxAnswer });
  const downloads = domains.flatMap((each) => each.downloads ?? []);
  serveExport(app, { ...counted, slots, maxAnswer }, downloads);
  serveScim(app, {
    outside,
    organizationDb,
    hosts: use(HOSTS),
    limits,
    refusals: use(REFUSALS),
    slots,
    publicUrl,
    realTime,
    maxAnswer,
    metrics,
  });
  serveFavicon(app);
  if (config.graphiql) await serveGraphiQL(app);
  development?.serve(app, publicUrl);
  return async () => {
    await apollo.stop();
    limits.close();
  };
}

function openLimits(app: FastifyInstance, { config, metrics }: DoorParts): RateLimits {
  const { rateLimits: perMinute, redisUrl } = config;
  const tellRedis = (isUp: boolean) => metrics.redisUp.set({ use: 'rate limits' }, Number(isUp));
  if (redisUrl !== null) tellRedis(true);
  return createRateLimits({
    perMinute,
    redisUrl,
    onRefused: (limit) => {
      metrics.refused.inc({ limit });
      const record = currentRecord();
      if (record) record.refusedBy = limit;
    },
    onRedis: (state, error) => {
      tellRedis(state === 'back');
      if (state === 'gone')
        app.log.error({ err: error }, 'Redis is out of reach: each replica counts rate limits on its own');
      else app.log.info('Redis is back: replicas count rate limits together');
    },
  });
}
