import { isIP } from 'node:net';
import { z } from 'zod';
import { EGRESS_PURPOSES, type EgressRule, parseEgressRule, THIS_MACHINE } from '../egress/allow.js';
import { certificate, entityId, issuerUrl, providerUrl } from '../identity/provider-metadata.js';
import { type PlanWeights, USUAL_WEIGHTS } from '../permissions/features.js';
import type { RateLimit } from '../gateway/http/rate-limits.js';
import { parseRegions, regionNamed, type Regions } from '../regions.js';
import { isDatabaseUrl } from './database-url.js';
import { readEnvironment } from './environment.js';

/** A variable is missing or wrong. The message lists every problem at once, each with its variable and an example. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface IssuerConfig {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Accepted `typ` headers in lower case; null accepts any. */
  readonly typ: readonly string[] | null;
}

/** An identity provider of the whole deployment. */
export type SignInProviderConfig = {
  readonly id: string;
  /** What the sign-in page calls it. */
  readonly name: string;
  readonly issuer: string;
  /** The only e-mail domains it speaks for; null for all whose addresses it verified. */
  readonly emailDomains: readonly string[] | null;
} & (
  | { readonly kind: 'OIDC'; readonly clientId: string; readonly clientSecret: string | null }
  | { readonly kind: 'SAML'; readonly signInUrl: string; readonly certificates: readonly string[] }
);

export interface Config {
  readonly production: boolean;
  /**
   * The development issuer, the person chooser and demo data exist: NODE_ENV is not production and HOST is a loopback
   * address. Each request must come to a local host name as well.
   */
  readonly development: boolean;
  readonly host: string;
  readonly port: number;
  readonly metrics: { readonly host: string; readonly port: number } | null;
  readonly databaseUrl: string | null;
  /** The owner's. Null in production leaves migrations to `npm run migrate`; elsewhere `databaseUrl` takes its place. */
  readonly migrationDatabaseUrl: string | null;
  readonly databasePoolSize: number;
  readonly preparedStatements: boolean;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly dataDirectory: string;
  /** 32 bytes each in base64: the first seals secrets, every one opens them. Null takes one kept in the data directory. */
  readonly secretKeys: readonly string[] | null;
  /** The origin that browsers and identity providers reach this gateway at; null is where it listens, as localhost. */
  readonly publicUrl: string | null;
  /** Under which each organization has a host, `<slug>.<base domain>`. Null: hosts name no organization. */
  readonly baseDomain: string | null;
  /** What people who use it call what stands behind this gateway. */
  readonly productName: string;
  /** Where people work once they are signed in, on this gateway's site or another. */
  readonly productUrl: string | null;
  /** The mail server, and whom mail is from. Null sends none; in development it lands at /dev/mail. */
  readonly mail: { readonly url: string; readonly from: string } | null;
  readonly issuers: readonly IssuerConfig[];
  readonly signInProviders: readonly SignInProviderConfig[];
  /** Hosts that organizations reach through this gateway though they may be inside the network that it stands in. */
  readonly egressAllow: readonly EgressRule[];
  readonly organizationCreation: 'anyone' | 'system-admin';
  /** Where organizations are homed, and which of that is here. */
  readonly regions: Regions;
  /** What slugs have to be like beside what a host name has to. */
  readonly namingPolicy: 'any' | 'regional';
  /** How many days an organization waits whose deletion was asked for. */
  readonly deletionGraceDays: number;
  /** How runs of organizations are shared out to the deployment's executors, by their plans. */
  readonly planWeights: PlanWeights;
  /** Name servers that domains are proved at, as `address` or `address:port`; those of the machine when empty. */
  readonly dnsServers: readonly string[];
  readonly graphiql: boolean;
  readonly introspection: boolean;
  readonly corsOrigins: readonly string[];
  readonly trustProxy: readonly string[];
  readonly bodyLimitBytes: number;
  /** Of one operation, in points. */
  readonly maxQueryCost: number;
  /** Of one answer, in characters. */
  readonly maxAnswer: number;
  /** How many requests a minute may hold, of each address, person, key or organization; null is not limited. */
  readonly rateLimits: Readonly<Record<RateLimit, number | null>>;
  /** Where replicas count together; null counts in this process. */
  readonly redisUrl: string | null;
  readonly logLevel: string;
  readonly shutdownDelayMs: number;
}

const number = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    // Where it is one of several forms, as of a limit that may be off, all of them are told.
    .refine((value) => value >= min && value <= max, { message: `must be ${min} to ${max}`, abort: true });
const perMinute = (byDefault: number) =>
  z
    .union([z.literal('off').transform(() => null), number(1, 1_000_000_000)], 'must be 1 to 1000000000, or off')
    .default(byDefault);
const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true');
const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// URL', abort: true })
  .refine(
    isDatabaseUrl,
    'must be a URL in which special characters of the user and password are percent-encoded, as %40 for @, %2F for /, ' +
      '%3A for :, %23 for #, %3F for ? and %25 for %',
  );
const redisUrl = z.string().regex(/^rediss?:\/\//, 'must be a redis:// or rediss:// URL');
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean),
);

const dnsServers = list.refine(
  (servers) => servers.every(isNameServer),
  'must be IP addresses, each with a port if it is not 53, comma-separated',
);
const isNameServer = (server: string): boolean => {
  const [, bracketed, plain, port = '53'] = /^(?:\[(.+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(server) ?? [];
  return isIP(bracketed ?? plain ?? server) !== 0 && Number(port) <= 65_535;
};
const egressAllow = list.transform((texts, context) => {
  const rules = texts.map(parseEgressRule);
  if (rules.every((rule) => rule !== null)) return rules;
  const purposes = EGRESS_PURPOSES.join(' or ');
  context.addIssue({
    code: 'custom',
    message: `must be of the form <purpose>:<organization or *>=<host:port>, comma-separated; the purpose ${purposes}, the organization its id, the port * for any`,
  });
  return z.NEVER;
});
const secretKeys = list.refine(
  (keys) => keys.length > 0 && keys.every((key) => /^[A-Za-z0-9+/]{43}=$/.test(key)),
  'must be 32 random bytes in base64, or several of them, comma-separated, the newest first',
);
const origin = z
  .string()
  .refine(
    (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && isOrigin(new URL(value)),
    'must be an origin: scheme, host and port, and no path',
  )
  .transform((value) => new URL(value).origin);
const isPage = ({ protocol, username, password }: URL): boolean =>
  /^https?:$/.test(protocol) && `${username}${password}` === '';
const isOrigin = ({ href, origin: self }: URL): boolean => href === `${self}/`;
const origins = list.refine(
  (all) => all.every((each) => origin.safeParse(each).data === each),
  'must be origins exactly as browsers send them, comma-separated: http:// or https://, the host in lower case, the port ' +
    'unless it is the default one, and nothing after it, not even a slash; * is none',
);

const regions = z.string().transform((text, context) => {
  const parsed = parseRegions(text);
  if (typeof parsed !== 'string') return parsed;
  context.addIssue({ code: 'custom', message: parsed });
  return z.NEVER;
});

const planWeights = list.transform((weights, context): PlanWeights => {
  const given = weights.map((each) => /^([A-Z]+)=(\d{1,4})$/.exec(each));
  const named = given.flatMap((match) => (match ? [[match[1] ?? '', Number(match[2])] as const] : []));
  const isRight =
    named.length === weights.length &&
    new Set(named.map(([plan]) => plan)).size === named.length &&
    named.every(([plan, weight]) => Object.hasOwn(USUAL_WEIGHTS, plan) && weight >= 1 && weight <= 1000);
  if (isRight) return { ...USUAL_WEIGHTS, ...Object.fromEntries(named) };
  const plans = Object.keys(USUAL_WEIGHTS).join(', ');
  context.addIssue({ code: 'custom', message: `must be plans (${plans}), each once, with a weight of 1 to 1000` });
  return z.NEVER;
});

const isProxy = (proxy: string): boolean => {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(proxy)) return true;
  const [, address = proxy, bits = '1'] = /^(.+)\/(\d{1,3})$/.exec(proxy) ?? [];
  return isIP(address) !== 0 && Number(bits) >= 1 && Number(bits) <= (isIP(address) === 4 ? 32 : 128);
};
const proxies = list.refine(
  (all) => all.every(isProxy),
  'must be IP addresses and networks such as 10.0.0.0/8, or the names loopback, linklocal or uniquelocal, comma-separated',
);

/** The only algorithms a public key can verify; a shared secret never can. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const issuer = z.strictObject({
  issuer: z.string().min(1),
  jwksUri: z.url(),
  audience: z.string().min(1),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(['RS256', 'ES256', 'EdDSA']),
  typ: z
    .union([z.string().transform((typ) => [typ]), z.array(z.string()).min(1), z.null()])
    .default(['at+jwt', 'JWT'])
    .transform((types) => types?.map((typ) => typ.toLowerCase().replace(/^application\//, '')) ?? null),
});

/** A variable that holds a list in JSON. */
const jsonList = <S extends z.ZodType>(schema: S, what: string) =>
  z.string().transform((text, context) => {
    try {
      return z.array(schema).parse(JSON.parse(text));
    } catch (error) {
      const issues = error instanceof z.ZodError ? error.issues : [];
      const where = issues.map(({ path, message }) => [...path, message].join(': ')).join('; ');
      context.addIssue({ code: 'custom', message: `must be a JSON list of ${what}${where && ` (${where})`}` });
      return z.NEVER;
    }
  });

const signInProvider = {
  // Never like the ids of organizations' own, which begin with idp_.
  id: z.string().regex(/^[a-z0-9-]{1,40}$/, 'lower-case letters, digits and hyphens'),
  name: z.string().trim().min(1).max(100),
};
const emailDomains = z
  .array(
    z
      .string()
      .toLowerCase()
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'a domain name'),
  )
  .min(1);
const signInProviders = jsonList(
  z.discriminatedUnion('kind', [
    z.strictObject({
      ...signInProvider,
      kind: z.literal('OIDC'),
      issuer: issuerUrl,
      clientId: z.string().min(1),
      clientSecret: z.string().min(1).nullable().default(null),
      emailDomains: emailDomains.nullable().default(null),
    }),
    z.strictObject({
      ...signInProvider,
      kind: z.literal('SAML'),
      issuer: entityId,
      signInUrl: providerUrl,
      certificates: z.array(certificate).min(1),
      // Nothing in SAML says that an address was verified, so it is said here.
      emailDomains,
    }),
  ]),
  'identity providers',
).refine((list) => new Set(list.map(({ id }) => id)).size === list.length, 'must name each id once');

/** Every variable, with an example of what it takes. */
const VARIABLES = {
  NODE_ENV: [
    z.enum(['production', 'development', 'test'], 'must be production, development or test').default('development'),
    'production',
  ],
  HOST: [z.string().default('127.0.0.1'), '0.0.0.0'],
  PORT: [number(0, 65_535).default(4000), '4000'],
  METRICS_HOST: [z.string().default('127.0.0.1'), '127.0.0.1'],
  METRICS_PORT: [
    z.union([z.literal('off'), number(0, 65_535)], 'must be 0 to 65535, or off').default(9464),
    '9464, or off',
  ],
  DATABASE_URL: [postgresUrl.optional(), 'postgres://orgate_gateway:secret@db.internal:5432/orgate'],
  MIGRATION_DATABASE_URL: [postgresUrl.optional(), 'postgres://orgate_owner:secret@db.internal:5432/orgate'],
  DATABASE_POOL_SIZE: [number(1, 1000).default(10), '10'],
  DATABASE_PREPARED_STATEMENTS: [flag.default(true), 'false'],
  DATABASE_STATEMENT_TIMEOUT_MS: [number(1, 3_600_000).default(10_000), '10000'],
  DATABASE_LOCK_TIMEOUT_MS: [number(1, 3_600_000).default(2000), '2000'],
  DATA_DIR: [z.string().min(1).default('.data'), '.data'],
  ORGATE_SECRET_KEY: [secretKeys.optional(), '$(openssl rand -base64 32)'],
  PUBLIC_URL: [origin.optional(), 'https://orgate.example.com'],
  BASE_DOMAIN: [
    z
      .string()
      .toLowerCase()
      .regex(
        /^(?=.{1,189}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
        'must be a domain name, without scheme, port and path',
      )
      .refine((name) => isIP(name) === 0, 'must be a domain name, and no address')
      .optional(),
    'orgate.example.com',
  ],
  PRODUCT_NAME: [z.string().trim().min(1).max(60, 'must be 60 characters or less').default('orgate'), 'Acme Console'],
  PRODUCT_URL: [
    z
      .string()
      .refine(
        (value) => URL.canParse(value) && isPage(new URL(value)),
        'must be an http:// or https:// URL without a password',
      )
      .transform((value) => new URL(value).href)
      .optional(),
    'https://app.example.com/start',
  ],
  SMTP_URL: [
    z
      .string()
      .regex(/^smtps?:\/\/[^\s/]+/, 'must be an smtp:// or smtps:// URL')
      .optional(),
    'smtps://user:password@mail.example.com:465',
  ],
  MAIL_FROM: [
    z
      .string()
      .regex(
        /^(?:[^\s<>@]+@[^\s<>@]+|[^<>\r\n]+ <[^\s<>@]+@[^\s<>@]+>)$/,
        'must be an address, or a name and <address>',
      )
      .optional(),
    'orgate <orgate@example.com>',
  ],
  AUTH_ISSUERS: [
    jsonList(issuer, 'issuers').default([]),
    '[{"issuer":"https://id.example.com","jwksUri":"https://id.example.com/jwks","audience":"orgate"}]',
  ],
  SIGN_IN_PROVIDERS: [
    signInProviders.default([]),
    '[{"id":"google","name":"Google","kind":"OIDC","issuer":"https://accounts.google.com","clientId":"…","clientSecret":"…"}]',
  ],
  EGRESS_ALLOW: [
    egressAllow.optional(),
    'identity-provider:*=id.internal:8443,webhook:org_01kap1kr8nfsvbqb2ftdd5mqce=hooks.internal:443',
  ],
  ORGANIZATION_CREATION: [
    z.enum(['anyone', 'system-admin'], 'must be anyone or system-admin').default('anyone'),
    'system-admin',
  ],
  REGIONS: [
    regions.prefault('us-east-1 useast, eu-central-1 eucentral, ap-southeast-2 apsoutheast'),
    'us-east-1 useast https://useast.example.com, eu-central-1 eucentral https://eucentral.example.com',
  ],
  REGION: [z.string().optional(), 'useast'],
  NAMING_POLICY: [z.enum(['any', 'regional'], 'must be any or regional').default('any'), 'regional'],
  DELETION_GRACE_DAYS: [number(1, 365).default(30), '30'],
  PLAN_WEIGHTS: [planWeights.default(USUAL_WEIGHTS), 'FREE=1,TEAM=3,ENTERPRISE=9'],
  DNS_SERVERS: [dnsServers.default([]), '9.9.9.9,[2620:fe::fe]:53'],
  GRAPHIQL: [flag.optional(), 'true'],
  INTROSPECTION: [flag.optional(), 'true'],
  CORS_ORIGINS: [origins.default([]), 'https://app.example.com,https://admin.example.com'],
  TRUST_PROXY: [proxies.default([]), '10.0.0.0/8,127.0.0.1'],
  BODY_LIMIT_BYTES: [number(1024, 10_485_760).default(262_144), '262144'],
  QUERY_MAX_COST: [number(1, 10_000_000).default(20_000), '20000'],
  ANSWER_MAX_CHARACTERS: [number(10_000, 100_000_000).default(5_000_000), '5000000'],
  REDIS_URL: [redisUrl.optional(), 'redis://redis.internal:6379'],
  RATE_LIMIT_ADDRESS: [perMinute(12_000), '12000, or off'],
  RATE_LIMIT_PERSON: [perMinute(1200), '1200, or off'],
  RATE_LIMIT_KEY: [perMinute(6000), '6000, or off'],
  RATE_LIMIT_ORGANIZATION: [perMinute(30_000), '30000, or off'],
  RATE_LIMIT_STRANGER: [perMinute(600), '600, or off'],
  RATE_LIMIT_PERSON_POINTS: [perMinute(600_000), '600000, or off'],
  RATE_LIMIT_KEY_POINTS: [perMinute(1_200_000), '1200000, or off'],
  RATE_LIMIT_ORGANIZATION_POINTS: [perMinute(3_000_000), '3000000, or off'],
  RATE_LIMIT_SIGN_IN: [perMinute(180), '180, or off'],
  RATE_LIMIT_INVITATION: [perMinute(60), '60, or off'],
  RATE_LIMIT_ACCEPTANCE: [perMinute(30), '30, or off'],
  RATE_LIMIT_SWITCHING: [perMinute(60), '60, or off'],
  RATE_LIMIT_CREATION: [perMinute(20), '20, or off'],
  LOG_LEVEL: [
    z
      .enum(
        ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
        'must be fatal, error, warn, info, debug, trace or silent',
      )
      .default('info'),
    'info',
  ],
  SHUTDOWN_DELAY_MS: [number(0, 300_000).optional(), '5000'],
} as const satisfies Record<string, readonly [z.ZodType, string]>;

const shape = Object.fromEntries(Object.entries(VARIABLES).map(([name, [schema]]) => [name, schema])) as {
  [K in keyof typeof VARIABLES]: (typeof VARIABLES)[K][0];
};

/**
 * Reads the configuration, by default from the environment and `.env`. Empty variables count as not set.
 *
 * @throws ConfigError, EnvironmentFileError
 */
export function readConfig(env: NodeJS.ProcessEnv = readEnvironment()): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = z.object(shape).safeParse(set);
  const problems = (result.error?.issues ?? []).map(({ path, message }) => problem(String(path[0]), message));
  const production = set['NODE_ENV'] === 'production';
  const host = set['HOST'] ?? '127.0.0.1';
  const development = !production && isLoopback(host);
  if (production && set['DATABASE_URL'] === undefined) {
    problems.push(problem('DATABASE_URL', 'is needed in production, as a login that owns nothing'));
  }
  if (production && set['ORGATE_SECRET_KEY'] === undefined) {
    problems.push(problem('ORGATE_SECRET_KEY', 'is needed in production: secrets are sealed under it'));
  }
  if (production && !set['PUBLIC_URL']?.startsWith('https:')) {
    problems.push(problem('PUBLIC_URL', 'is needed in production, and begins with https:'));
  }
  if (production && set['PRODUCT_URL']?.startsWith('http:')) {
    problems.push(problem('PRODUCT_URL', 'begins with https: in production'));
  }
  const isEmpty = (name: 'AUTH_ISSUERS' | 'SIGN_IN_PROVIDERS') =>
    set[name] === undefined || result.data?.[name].length === 0;
  if (!development && isEmpty('AUTH_ISSUERS') && isEmpty('SIGN_IN_PROVIDERS')) {
    const reason = production ? 'in production' : `where HOST is not a loopback address (${host})`;
    problems.push(problem('AUTH_ISSUERS', `or SIGN_IN_PROVIDERS is needed ${reason}: nobody could sign in`));
  }
  if (set['SMTP_URL'] !== undefined && set['MAIL_FROM'] === undefined) {
    problems.push(problem('MAIL_FROM', 'is needed where SMTP_URL is set: the address that mail is from'));
  }
  const home = set['REGION'];
  if (home !== undefined && result.data && regionNamed(result.data.REGIONS, home) === null) {
    problems.push(problem('REGION', 'must be the tag or the name of one of REGIONS'));
  }
  problems.push(...tooFewPoints(set));
  if (!result.success || problems.length > 0) throw configError(problems);
  const value = result.data;
  return {
    production,
    development,
    host: value.HOST,
    port: value.PORT,
    metrics: value.METRICS_PORT === 'off' ? null : { host: value.METRICS_HOST, port: value.METRICS_PORT },
    databaseUrl: value.DATABASE_URL ?? null,
    migrationDatabaseUrl: value.MIGRATION_DATABASE_URL ?? null,
    databasePoolSize: value.DATABASE_POOL_SIZE,
    preparedStatements: value.DATABASE_PREPARED_STATEMENTS,
    statementTimeoutMs: value.DATABASE_STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: value.DATABASE_LOCK_TIMEOUT_MS,
    dataDirectory: value.DATA_DIR,
    secretKeys: value.ORGATE_SECRET_KEY ?? null,
    publicUrl: value.PUBLIC_URL ?? null,
    baseDomain: value.BASE_DOMAIN ?? (development ? 'localhost' : null),
    productName: value.PRODUCT_NAME,
    productUrl: value.PRODUCT_URL ?? null,
    mail: value.SMTP_URL && value.MAIL_FROM ? { url: value.SMTP_URL, from: value.MAIL_FROM } : null,
    issuers: value.AUTH_ISSUERS,
    signInProviders: value.SIGN_IN_PROVIDERS,
    egressAllow: value.EGRESS_ALLOW ?? (development ? THIS_MACHINE : []),
    organizationCreation: value.ORGANIZATION_CREATION,
    regions: {
      all: value.REGIONS,
      // Where one is tried out, it is in the first of them.
      here: home === undefined && !production ? (value.REGIONS[0] ?? null) : regionNamed(value.REGIONS, home ?? ''),
    },
    namingPolicy: value.NAMING_POLICY,
    deletionGraceDays: value.DELETION_GRACE_DAYS,
    planWeights: value.PLAN_WEIGHTS,
    dnsServers: value.DNS_SERVERS,
    graphiql: value.GRAPHIQL ?? !production,
    introspection: value.INTROSPECTION ?? !production,
    corsOrigins: value.CORS_ORIGINS,
    trustProxy: value.TRUST_PROXY,
    bodyLimitBytes: value.BODY_LIMIT_BYTES,
    maxQueryCost: value.QUERY_MAX_COST,
    maxAnswer: value.ANSWER_MAX_CHARACTERS,
    redisUrl: value.REDIS_URL ?? null,
    rateLimits: {
      address: value.RATE_LIMIT_ADDRESS,
      person: value.RATE_LIMIT_PERSON,
      key: value.RATE_LIMIT_KEY,
      organization: value.RATE_LIMIT_ORGANIZATION,
      stranger: value.RATE_LIMIT_STRANGER,
      personPoints: value.RATE_LIMIT_PERSON_POINTS,
      keyPoints: value.RATE_LIMIT_KEY_POINTS,
      organizationPoints: value.RATE_LIMIT_ORGANIZATION_POINTS,
      signIn: value.RATE_LIMIT_SIGN_IN,
      invitation: value.RATE_LIMIT_INVITATION,
      acceptance: value.RATE_LIMIT_ACCEPTANCE,
      switching: value.RATE_LIMIT_SWITCHING,
      creation: value.RATE_LIMIT_CREATION,
    },
    logLevel: value.LOG_LEVEL,
    shutdownDelayMs: value.SHUTDOWN_DELAY_MS ?? (production ? 5000 : 0),
  };
}

/**
 * Reads what migrations need, and nothing else: they run where nothing is served.
 *
 * @throws ConfigError
 */
export function readDatabaseUrls(env: NodeJS.ProcessEnv = readEnvironment()): { ownerUrl: string; loginUrl: string } {
  const problems: string[] = [];
  const read = (name: 'DATABASE_URL' | 'MIGRATION_DATABASE_URL', why: string): string => {
    const { data, error } = postgresUrl.safeParse(env[name] || undefined);
    if (data === undefined) problems.push(problem(name, env[name] ? (error?.issues[0]?.message ?? '') : why));
    return data ?? '';
  };
  const ownerUrl = read('MIGRATION_DATABASE_URL', 'is needed, as the owner of the database');
  const loginUrl = read('DATABASE_URL', 'is needed, as the login that serves, which is let act');
  if (problems.length > 0) throw configError(problems);
  return { ownerUrl, loginUrl };
}

/**
 * Where the owner of the database gets in, for commands that serve nothing and so need nothing else.
 *
 * @throws ConfigError, EnvironmentFileError
 */
export function readOwnerStore(
  env: NodeJS.ProcessEnv = readEnvironment(),
): { readonly url: string } | { readonly dataDirectory: string } {
  const name = env['MIGRATION_DATABASE_URL'] ? 'MIGRATION_DATABASE_URL' : 'DATABASE_URL';
  if (!env[name]) return { dataDirectory: env['DATA_DIR'] || '.data' };
  const { data: url, error } = postgresUrl.safeParse(env[name]);
  if (url === undefined) throw configError([problem(name, error?.issues[0]?.message ?? '')]);
  return { url };
}

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host);

const problem = (
  variable: string,
  message: string,
  example: string = VARIABLES[variable as keyof typeof VARIABLES][1],
): string => `${variable} ${message}. Example: ${variable}=${example}`;

/** An operation that is dearer than a whole minute's points would be refused for ever, and never as too expensive. */
function tooFewPoints(set: NodeJS.ProcessEnv): string[] {
  const { data: maxCost } = VARIABLES.QUERY_MAX_COST[0].safeParse(set['QUERY_MAX_COST']);
  if (maxCost === undefined) return [];
  return (['PERSON', 'KEY', 'ORGANIZATION'] as const)
    .map((party) => `RATE_LIMIT_${party}_POINTS` as const)
    .filter((variable) => (VARIABLES[variable][0].safeParse(set[variable]).data ?? Infinity) < 2 * maxCost)
    .map((variable) =>
      problem(
        variable,
        `must be at least ${2 * maxCost}, twice QUERY_MAX_COST, so that the dearest operation can run, or off`,
        String(2 * maxCost),
      ),
    );
}

const configError = (problems: readonly string[]): ConfigError =>
  new ConfigError(
    `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n  ${problems.join('\n  ')}`,
  );
