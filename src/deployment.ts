import type { FastifyBaseLogger } from 'fastify';
import type { Config } from './config/config.js';
import { createHosts, HOSTS } from './context/hosts.js';
import { ROUTING, routingLine } from './context/routing.js';
import type { SessionIssuer } from './context/viewer.js';
import {
  ALLOW_RESERVED_DOMAINS,
  CATALOGUE,
  DELETION_GRACE_DAYS,
  type Deployment,
  KEY_ENVIRONMENT,
  ORGANIZATION_CREATION,
  PLAN_WEIGHTS,
  PUBLIC_URL,
  NAMING_POLICY,
  REAL_TIME,
  REGIONS,
  REPORT,
  SESSION_ISSUER,
} from './context/deployment.js';
import type { Database } from './data/database.js';
import type { Development } from './development/index.js';
import { readBranding } from './domains/organization/index.js';
import { createEgress, EGRESS } from './egress/egress.js';
import { createFindTxt, FIND_TXT } from './egress/find-txt.js';
import { createLookUpHost, LOOK_UP_HOST } from './egress/look-up-host.js';
import { countDueWork, type Metrics } from './gateway/http/metrics.js';
import { currentRecord, idsIn } from './gateway/http/request-record.js';
import { watchDueWork } from './gateway/http/watch-metrics.js';
import { createSessionTokens, type SessionTokens } from './identity/session-tokens.js';
import { openSessions } from './identity/sessions.js';
import { createSignInAttempts, type SignInAttempts } from './identity/sign-in-attempts.js';
import { createSigningKeys, SIGNING_KEYS, type SigningKeys } from './identity/signing-keys.js';
import { createDueWork, DUE_WORK } from './jobs/due-work.js';
import { createNotifyCarrier } from './jobs/carry-by-notify.js';
import type { Job } from './jobs/job.js';
import { createNews, NEWS } from './jobs/news.js';
import { noMailer } from './mail/mail.js';
import { createOutbox, OUTBOX, sendMail } from './mail/outbox.js';
import { openSmtp } from './mail/smtp.js';
import { Parts } from './parts.js';
import type { Catalogue } from './permissions/catalogue.js';
import type { Domain } from './resource/define-domain.js';
import { composeRecord, RECORD } from './resource/record.js';
import { createOrganizationSeal, SEAL } from './secrets/organization-seal.js';
import { openSeal } from './secrets/seal.js';
import { createSealedPlaces, SEALED_PLACES } from './secrets/sealed-place.js';

export interface OpenDeployment {
  readonly config: Config;
  readonly database: Database;
  readonly development: Development | null;
  readonly catalogue: Catalogue;
  readonly domains: readonly Domain[];
  readonly publicUrl: () => string;
  readonly log: FastifyBaseLogger;
  readonly metrics: Pick<Metrics, 'dueRuns' | 'dueWork' | 'dueOldest'>;
}

/** A deployment with what only the doors for signing in work with. */
export interface OpenedDeployment extends Deployment {
  /** Waits for what is being done, for some seconds, and lets the mail server go. */
  closeWork(): Promise<void>;
  readonly tokens: SessionTokens;
  readonly signingKeys: SigningKeys;
  readonly signInAttempts: SignInAttempts;
  /** The domains' and those of what they all stand on. */
  readonly jobs: readonly Job[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Makes what requests, jobs and doors work with. */
export async function openDeployment(options: OpenDeployment): Promise<OpenedDeployment> {
  const { config, database, development, catalogue, domains, publicUrl, log, metrics } = options;
  const { outside, organizationDb, pool } = database;
  const secretKeys = await openSeal(config.secretKeys, config.dataDirectory);
  const seal = createOrganizationSeal(secretKeys);
  const signingKeys = createSigningKeys(pool, secretKeys);
  await signingKeys.keep();
  const tokens = createSessionTokens(signingKeys, publicUrl, () => pool.clock.real());
  const signInAttempts = createSignInAttempts(pool, secretKeys);
  const mailer = config.mail ? openSmtp(config.mail.url, config.mail.from) : (development?.mailer ?? noMailer);
  const parts = new Parts();
  const deployment = { outside, organizationDb, now: () => pool.clock.now(), use: parts.use };
  const work = createDueWork({
    deployment,
    kinds: [sendMail(mailer, seal), ...domains.flatMap(({ due }) => due ?? [])],
    owed: domains.flatMap(({ owed }) => owed ?? []),
    tell: watchDueWork(metrics, log),
  });
  parts
    .add(ALLOW_RESERVED_DOMAINS, !config.production)
    .add(CATALOGUE, catalogue)
    .add(DELETION_GRACE_DAYS, config.deletionGraceDays)
    .add(EGRESS, createEgress(config.egressAllow, config.dnsServers))
    .add(PLAN_WEIGHTS, config.planWeights)
    .add(FIND_TXT, development?.findTxt ?? createFindTxt(config.dnsServers))
    .add(NAMING_POLICY, config.namingPolicy)
    .add(REGIONS, config.regions)
    .add(HOSTS, createHosts(config.baseDomain, publicUrl))
    .add(LOOK_UP_HOST, development?.lookUpHost ?? createLookUpHost(config.dnsServers))
    .add(KEY_ENVIRONMENT, config.production ? 'live' : 'test')
    .add(ORGANIZATION_CREATION, config.organizationCreation)
    .add(DUE_WORK, work)
    .add(NEWS, createNews(carrierOf(options)))
    .add(OUTBOX, createOutbox(seal, readBranding))
    .add(PUBLIC_URL, publicUrl)
    .add(REAL_TIME, () => pool.clock.real())
    .add(RECORD, composeRecord(domains))
    .add(REPORT, (err, what) => log.error({ err }, what))
    .add(ROUTING, (requestId, routing) => {
      const record = currentRecord();
      log.info(routingLine(record ? idsIn(record) : { requestId }, routing), 'routing');
    })
    .add(SEAL, seal)
    .add(SEALED_PLACES, createSealedPlaces(secretKeys))
    .add(SIGNING_KEYS, signingKeys)
    .add(SESSION_ISSUER, sessionIssuer(tokens, development));
  for (const { provide } of domains) provide?.(parts, deployment);
  const jobs: readonly Job[] = [
    { name: 'keep-signing-keys', everyMs: HOUR_MS, run: () => signingKeys.keep() },
    { name: 'sweep-sessions', everyMs: HOUR_MS, run: () => outside(openSessions).sweep() },
    { name: 'sweep-sign-ins', everyMs: HOUR_MS / 6, run: () => signInAttempts.sweep() },
    { name: 'keep-time', everyMs: MINUTE_MS, run: () => database.keepTime() },
    { name: 'due-work', everyMs: 1000, run: (_: Deployment, signal: AbortSignal) => work.round(signal) },
    { name: 'count-due-work', everyMs: 15_000, run: async () => countDueWork(metrics, await work.count()) },
    ...domains.flatMap((domain) => domain.jobs ?? []),
  ];
  const closeWork = async () => {
    // What fails is told, and keeps nothing else from its end.
    const ends = jobs.map(async ({ name, atEnd }) =>
      atEnd?.(deployment).catch((err: unknown) => log.warn({ err, job: name }, 'closing: not done')),
    );
    await Promise.all([...ends, work.close()]).finally(() => mailer.close());
  };
  return { ...deployment, closeWork, tokens, signingKeys, signInAttempts, jobs };
}

/** Replicas share a database; the embedded one has one process. */
function carrierOf({ database: { url, outside }, log }: OpenDeployment) {
  if (url === null) return null;
  return createNotifyCarrier(url, outside, (err) =>
    log.warn({ err }, 'news of other replicas are not heard; asking every few seconds'),
  );
}

/** Whoever issued what was presented issues the next: orgate for its sessions, the development issuer for its tokens. */
const sessionIssuer = (tokens: SessionTokens, development: Development | null): SessionIssuer => ({
  async issueFor({ person, session }, orgId) {
    if (!person || !session.renewable) return null;
    if (session.id === null) return development?.issuer.issue(person.email, null, orgId, session.expiresAt) ?? null;
    const subject = { sessionId: session.id, personId: person.id, orgId, notAfter: session.expiresAt };
    return (await tokens.issue(subject)).token;
  },
  issueActing: ({ id: impersonationId, userId: personId, ...acting }, lifetimeS) =>
    tokens.issueActing({ impersonationId, personId, ...acting, lifetimeS }),
});
