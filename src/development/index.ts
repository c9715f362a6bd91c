import type { FastifyInstance } from 'fastify';
import type { Config, SignInProviderConfig } from '../config/config.js';
import type { Database } from '../data/database.js';
import { createFindTxt, type FindTxt } from '../egress/find-txt.js';
import { createLookUpHost, type LookUpHost } from '../egress/look-up-host.js';
import type { Mailer } from '../mail/mail.js';
import { openDevelopmentClock } from './clock.js';
import { demoProvider, hasDemoProvider } from './demo-identity-provider.js';
import { isDatabaseEmpty } from './demo.js';
import { openDevelopmentDns } from './dns.js';
import { type DevelopmentIssuer, openDevelopmentIssuer } from './issuer.js';
import { loadDemo } from './load-demo.js';
import { createMailbox } from './mailbox.js';
import { serveDevelopment } from './serve-development.js';
import { createWebhookReceiver } from './webhook-receiver.js';

/** What must not exist in production. Nothing but `load-development.ts` reaches this folder: it may be deleted. */
export interface Development {
  readonly issuer: DevelopmentIssuer;
  readonly mailer: Mailer;
  /** Null where name servers are configured. */
  readonly findTxt: FindTxt | null;
  readonly lookUpHost: LookUpHost | null;
  /** One that signs in anyone as anyone; none where its package is not installed. */
  signInProviders(publicUrl: string): readonly SignInProviderConfig[];
  serve(app: FastifyInstance, publicUrl: () => string): void;
}

export async function openDevelopment(
  { dataDirectory, dnsServers }: Config,
  { pool }: Pick<Database, 'pool'>,
): Promise<Development> {
  const issuer = await openDevelopmentIssuer(dataDirectory);
  const dns =
    dnsServers.length === 0 ? await openDevelopmentDns(dataDirectory, createFindTxt([]), createLookUpHost([])) : null;
  const clock = await openDevelopmentClock(dataDirectory, pool.clock);
  const mailbox = createMailbox();
  const webhooks = createWebhookReceiver();
  return {
    issuer,
    mailer: mailbox,
    findTxt: dns?.findTxt ?? null,
    lookUpHost: dns?.lookUpHost ?? null,
    signInProviders: (publicUrl) => (hasDemoProvider() ? [demoProvider(publicUrl)] : []),
    serve: (app, publicUrl) => serveDevelopment(app, { issuer, mailbox, webhooks, dns, clock }, publicUrl),
  };
}

/** @returns false where there is something already */
export async function loadDemoIfEmpty(database: Database, config: Config): Promise<boolean> {
  return (await isDatabaseEmpty(database)) && loadDemo(database, config);
}
