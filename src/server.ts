import type { AddressInfo } from 'node:net';
import type { DestinationStream } from 'pino';
import type { Config, SignInProviderConfig } from './config/config.js';
import { createAuthenticate } from './context/authenticate.js';
import type { SessionIssuer } from './context/context.js';
import { type Database, openDatabase } from './data/database.js';
import { demoProvider, hasDemoProvider } from './development/demo-identity-provider.js';
import { isDatabaseEmpty, loadDemo } from './development/demo.js';
import { openDevelopmentDns } from './development/dns.js';
import { type DevelopmentIssuer, openDevelopmentIssuer } from './development/issuer.js';
import { createMailbox } from './development/mailbox.js';
import { serveDevelopment } from './development/serve-development.js';
import { tellOfEndingKeys } from './domains/api-key/tell-of-ending-keys.js';
import { recheckDomains } from './domains/dns-domain/check-domain.js';
import { createJoinOnSignIn } from './domains/join-request/join-by-domain.js';
import { createFindTxt } from './egress/find-txt.js';
import { createProviderFetch } from './egress/provider-fetch.js';
import { createContract } from './gateway/graphql/schema.js';
import { type ContextParts, serveGraphQL } from './gateway/graphql/serve-graphql.js';
import { receiveBodies } from './gateway/http/bodies/receive-bodies.js';
import { createHttpServer } from './gateway/http/http.js';
import { limitAddresses } from './gateway/http/limit-requests.js';
import { type Metrics, serveMetrics } from './gateway/http/metrics.js';
import { createRateLimits } from './gateway/http/rate-limits.js';
import { currentRecord } from './gateway/http/request-record.js';
import { serveGraphiQL } from './gateway/pages/graphiql-page.js';
import { serveInvitations } from './gateway/pages/invitation-page.js';
import { serveScim } from './gateway/scim/scim.js';
import { createOidc } from './gateway/sign-in/oidc.js';
import { createIsFromOwnPage } from './gateway/sign-in/own-page.js';
import { createProviders } from './gateway/sign-in/providers.js';
import { createSaml } from './gateway/sign-in/saml.js';
import { serveSignIn } from './gateway/sign-in/serve-sign-in.js';
import { serveTokens } from './gateway/sign-in/tokens.js';
import { remoteKeys } from './identity/issuer-keys.js';
import type { TrustedIssuer } from './identity/trusted-issuer.js';
import { createSessionTokens, type SessionTokens } from './identity/session-tokens.js';
import { openSessions } from './identity/sessions.js';
import { createSignInAttempts } from './identity/sign-in-attempts.js';
import { createSigningKeys } from './identity/signing-keys.js';
import { createDeadline } from './jobs/deadline.js';
import { createSchedule, type Schedule } from './jobs/schedule.js';
import { noMailer } from './mail/mail.js';
import { createOutbox } from './mail/outbox.js';
import { openSmtp } from './mail/smtp.js';
import { openSeal } from './secrets/seal.js';

export interface Server {
  /** Where it listens: `http://127.0.0.1:4000`. */
  readonly url: string;
  /** Finishes what is in flight, then closes; in bounded time, whatever hangs. */
  close(): Promise<void>;
}

const HOUR_MS = 3600 * 1000;
/** How long closing waits for what is in flight; less than the process is given to end. */
const CLOSE_GRACE_MS = 10_000;

/** What a server is made of. Tests and benchmarks hand in other parts; the product has no switches for them. */
export interface ServerParts {
  readonly config: Config;
  readonly database: Database;
  readonly metrics: Metrics;
  readonly logTo?: DestinationStream;
  /** How often an operation is asked for until it is compiled. */
  readonly compileFrom?: number;
  readonly closeGraceMs?: number;
  /** What is done again and again beside the requests is handed to it. */
  readonly schedule?: Schedule;
}

/** Opens the database that the configuration names. */
export async function openConfiguredDatabase(
  config: Config,
  metrics: Metrics,
  onStep: (step: string, ms: number) => void = () => undefined,
  onWaiting: () => void = () => undefined,
): Promise<Database> {
  const counts = {
    orgate_app: metrics.statements.labels('orgate_app'),
    orgate_directory: metrics.statements.labels('orgate_directory'),
  };
  const database = await openDatabase({
    store:
      config.databaseUrl === null
        ? { dataDirectory: config.dataDirectory }
        : { url: config.databaseUrl, migrationUrl: config.migrationDatabaseUrl },
    poolSize: config.databasePoolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
    preparedStatements: config.preparedStatements,
    requireSeparateLogin: config.production,
    onStatement: (_text, { role }) => counts[role].inc(),
    onStep,
    onWaiting,
  });
  if (config.development && config.databaseUrl === null && (await isDatabaseEmpty(database))) {
    const began = performance.now();
    await loadDemo(database);
    onStep('loaded the demo data', performance.now() - began);
  }
  return database;
}

/** Puts the parts together and listens. */
export async function createServer({
  config,
  database,
  metrics,
  logTo,
  compileFrom = 3,
  closeGraceMs = CLOSE_GRACE_MS,
  schedule: otherSchedule,
}: ServerParts): Promise<Server> {
  const contract = createContract();
  const { outside, organizationDb } = database;
  const data = { outside, organizationDb };
  const development = config.development ? await openDevelopmentIssuer(config.dataDirectory) : null;
  const app = await createHttpServer({
    ...config,
    logTo,
    closeGraceMs,
    isReady: () => readiness(),
    onRequest: ({ operationType: operation = 'none', codes }, ms) => {
      metrics.requests.inc({ operation, code: codes[0] ?? 'none' });
      metrics.duration.observe({ operation }, ms / 1000);
    },
  });
  const schedule = otherSchedule ?? createSchedule((err, job) => app.log.error({ err, job }, 'scheduled work failed'));
  let readiness = () => database.checkReadiness();
  const limits = createRateLimits({
    perMinute: config.rateLimits,
    redisUrl: config.redisUrl,
    onRefused: (limit) => {
      metrics.refused.inc({ limit });
      const record = currentRecord();
      if (record) record.refusedBy = limit;
    },
    onRedis: (state, error) =>
      state === 'gone'
        ? app.log.error({ err: error }, 'Redis is out of reach: each replica counts rate limits on its own')
        : app.log.info('Redis is back: replicas count rate limits together'),
  });
  receiveBodies(app, config.bodyLimitBytes);
  limitAddresses(app, limits);
  database.watchAlarms(({ stoppedBy, orgId, statement }) => {
    metrics.alarms.inc({ stopped_by: stoppedBy });
    app.log.error({ stoppedBy, organization: orgId, statement }, 'isolation alarm');
  });
  database.watchPoolSize((size) =>
    size < config.databasePoolSize
      ? app.log.warn({ size, configured: config.databasePoolSize }, 'the database has fewer connections to give')
      : app.log.info({ size }, 'the database has all connections to give again'),
  );
  const resolve = createFindTxt(config.dnsServers);
  const isAlone = config.development && config.dnsServers.length === 0;
  const developmentDns = isAlone ? await openDevelopmentDns(config.dataDirectory, resolve) : null;
  const findTxt = developmentDns?.findTxt ?? resolve;
  const joinOnSignIn = createJoinOnSignIn(database, (err) => app.log.error({ err }, 'joining by domain failed'));
  const seal = await openSeal(config.secretKeys, config.dataDirectory);
  // The port of a development server may be known only once it listens.
  const publicUrl = () =>
    config.publicUrl ?? `http://localhost:${(app.server.address() as AddressInfo | null)?.port ?? config.port}`;
  const signingKeys = createSigningKeys(database.pool, seal);
  await signingKeys.keep();
  schedule.every('keep-signing-keys', HOUR_MS, () => signingKeys.keep());
  schedule.every('sweep-sessions', HOUR_MS, () => outside(openSessions).sweep());
  const tokens = createSessionTokens(signingKeys, publicUrl);
  const isFromOwnPage = createIsFromOwnPage(publicUrl, config.corsOrigins, config.development);
  const keyEnvironment = config.production ? 'live' : 'test';
  const mailbox = createMailbox();
  const outbox = createOutbox({
    mailer: config.mail ? openSmtp(config.mail.url, config.mail.from) : config.development ? mailbox : noMailer,
    seal,
    outside: data.outside,
    onFailure: (err, { orgId, id }) => app.log.warn({ err, organization: orgId, mail: id }, 'mail was not sent'),
  });
  schedule.every('mail', 5_000, (signal) => outbox.sendDue(signal));
  schedule.every('recheck-domains', 10 * 60_000, (signal) => recheckDomains({ ...data, findTxt, outbox }, signal));
  schedule.every('tell-of-ending-keys', 10 * 60_000, (signal) => tellOfEndingKeys({ ...data, outbox }, signal));
  const context: ContextParts = {
    authenticate: createAuthenticate([tokens.trusted, ...trustedIssuers(config, development)], keyEnvironment),
    isFromOwnPage,
    services: {
      ...data,
      catalogue: contract.catalogue,
      sessionIssuer: sessionIssuer(tokens, development),
      findTxt,
      joinOnSignIn,
      allowReservedDomains: !config.production,
      seal,
      outbox,
      publicUrl,
      keyEnvironment,
      organizationCreation: config.organizationCreation,
    },
    limits,
  };
  const { introspection, maxQueryCost: maxCost, maxAnswer } = config;
  const apollo = await serveGraphQL(app, { ...context, contract, introspection, maxCost, maxAnswer, compileFrom });
  serveInvitations(app, context);
  const attempts = createSignInAttempts(database.pool, seal);
  schedule.every('sweep-sign-ins', 10 * 60_000, () => attempts.sweep());
  serveSignIn(app, {
    ...data,
    attempts,
    providers: createProviders({ ...data, configured: () => signInProviders(config, publicUrl()), seal }),
    oidc: createOidc(publicUrl, createProviderFetch(config.privateIdentityProviders)),
    saml: createSaml(publicUrl),
    catalogue: contract.catalogue,
    joinOnSignIn,
    publicUrl,
    development: config.development,
    corsOrigins: config.corsOrigins,
  });
  serveTokens(app, { ...data, tokens, signingKeys, isFromOwnPage });
  serveScim(app, { ...data, limits, publicUrl });
  if (config.graphiql) await serveGraphiQL(app);
  if (development) serveDevelopment(app, development, mailbox, developmentDns, publicUrl);
  const metricsServer = config.metrics && (await serveMetrics(metrics, config.metrics.host, config.metrics.port));
  await app.listen({ host: config.host, port: config.port });
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    close: async () => {
      // Load balancers first learn that no more should come; what has come is finished.
      readiness = () => Promise.reject(new Error('shutting down'));
      await new Promise((resolve) => setTimeout(resolve, config.shutdownDelayMs));
      const endInTime = createDeadline(closeGraceMs, (what) => app.log.warn({ what }, 'closing: cut off'));
      // Connections that do not end are cut off by the server itself, which says whose they were.
      await Promise.all([endInTime('scheduled work', schedule.close()), app.close()]);
      await endInTime('Apollo', apollo.stop());
      await endInTime('mail on its way', outbox.close());
      limits.close();
      metricsServer?.close();
      metricsServer?.closeAllConnections();
      await endInTime('the database', database.close());
    },
  };
}

/** Where none are configured, a development server has one that signs in anyone as anyone. */
const signInProviders = (config: Config, publicUrl: string): readonly SignInProviderConfig[] =>
  config.development && config.signInProviders.length === 0 && hasDemoProvider()
    ? [demoProvider(publicUrl)]
    : config.signInProviders;

function trustedIssuers(config: Config, development: DevelopmentIssuer | null): TrustedIssuer[] {
  const configured = config.issuers.map(({ jwksUri, ...issuer }) => ({
    ...issuer,
    keys: remoteKeys(jwksUri),
    development: false,
  }));
  return development ? [...configured, development.trusted] : configured;
}

/** Whoever issued what was presented issues the next: orgate for its sessions, the development issuer for its tokens. */
const sessionIssuer = (tokens: SessionTokens, development: DevelopmentIssuer | null): SessionIssuer => ({
  async issueFor({ person, session }, orgId) {
    if (!person || !session.renewable) return null;
    if (session.id === null) return development?.issue(person.email, null, orgId, session.expiresAt) ?? null;
    const subject = { sessionId: session.id, personId: person.id, orgId, notAfter: session.expiresAt };
    return (await tokens.issue(subject)).token;
  },
});
