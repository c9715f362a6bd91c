import { describe, expect, test } from '@jest/globals';
import { ConfigError, readConfig, readDatabaseUrls } from '../../src/config/config.js';

const ISSUER = { issuer: 'https://id.example', jwksUri: 'https://id.example/jwks', audience: 'orgate' };
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://gateway:secret@db.example/orgate',
  MIGRATION_DATABASE_URL: 'postgres://owner:secret@db.example/orgate',
  ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
  PUBLIC_URL: 'https://orgate.example',
  AUTH_ISSUERS: JSON.stringify([ISSUER]),
};

/** What start-up says of this environment; '' when it has no complaint. */
function complaintOf(env: NodeJS.ProcessEnv): string {
  try {
    readConfig(env);
    return '';
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
}

const linesAbout = (complaint: string, variable: string): string[] =>
  complaint.split('\n').filter((line) => new RegExp(`\\b${variable} `).test(line.replace(/Example:.*/, '')));

test('a newcomer sets nothing: the embedded database, port 4000, this machine only, everything for development', () => {
  expect(readConfig({})).toMatchObject({
    host: '127.0.0.1',
    port: 4000,
    databaseUrl: null,
    dataDirectory: '.data',
    production: false,
    development: true,
    graphiql: true,
    introspection: true,
    metrics: { host: '127.0.0.1', port: 9464 },
    organizationCreation: 'anyone',
    deletionGraceDays: 30,
    planWeights: { FREE: 1, TEAM: 3, ENTERPRISE: 9 },
    corsOrigins: [],
    trustProxy: [],
    issuers: [],
  });
});

test('an empty variable counts as not set', () => {
  expect(readConfig({ PORT: '', HOST: '', DATABASE_URL: '', AUTH_ISSUERS: '', NODE_ENV: '' })).toEqual(readConfig({}));
});

const WRONG: Record<string, string> = {
  PORT: '65536',
  METRICS_PORT: 'on',
  DATABASE_URL: 'mysql://db.example/orgate',
  MIGRATION_DATABASE_URL: 'db.example',
  DATABASE_POOL_SIZE: '0',
  DATABASE_PREPARED_STATEMENTS: 'yes',
  DATABASE_STATEMENT_TIMEOUT_MS: '1.5',
  ORGATE_SECRET_KEY: 'hunter2',
  PUBLIC_URL: 'https://orgate.example/path',
  SMTP_URL: 'mail.example',
  MAIL_FROM: 'nobody',
  AUTH_ISSUERS: 'https://id.example',
  SIGN_IN_PROVIDERS: 'google',
  EGRESS_ALLOW: 'id.internal',
  ORGANIZATION_CREATION: 'nobody',
  REGIONS: 'us-east-1 useast http://plain.example',
  NAMING_POLICY: 'strict',
  DELETION_GRACE_DAYS: '0',
  PLAN_WEIGHTS: 'FREE=0',
  DNS_SERVERS: 'dns.example',
  CORS_ORIGINS: 'app.example.com',
  TRUST_PROXY: 'banana',
  GRAPHIQL: '1',
  INTROSPECTION: 'on',
  BODY_LIMIT_BYTES: '1MB',
  QUERY_MAX_COST: '-1',
  REDIS_URL: 'redis.internal:6379',
  RATE_LIMIT_ADDRESS: '0',
  RATE_LIMIT_PERSON: 'none',
  LOG_LEVEL: 'loud',
  SHUTDOWN_DELAY_MS: 'soon',
};

test('regions have a name, a tag and perhaps an origin, and one of them is here', () => {
  for (const REGIONS of [
    'us-east-1',
    'us-east-1 us-east',
    'us-east-1 a b c',
    'a-1 aa, b-1 aa',
    'us-1 aa https://x.example/p',
  ])
    expect(complaintOf({ REGIONS })).toContain('REGIONS');
  expect(complaintOf({ REGION: 'mars' })).toContain('REGION must be');
  const two = { REGIONS: 'us-east-1 useast https://useast.example, eu-central-1 eucentral' };
  const [useast, eucentral] = readConfig(two).regions.all;
  expect(useast).toEqual({ cloudRegion: 'us-east-1', tag: 'useast', baseUrl: 'https://useast.example' });
  expect(readConfig({ ...two, REGION: 'eu-central-1' }).regions.here).toEqual(eucentral);
  expect(readConfig({ ...two, REGION: 'eucentral' }).regions.here).toEqual(eucentral);
  // Where it is tried out, in the first; in production nothing is guessed.
  expect(readConfig(two).regions.here).toEqual(useast);
});

test('plans weigh what they are said to, each once, and what is left out what it did', () => {
  expect(readConfig({ PLAN_WEIGHTS: 'TEAM=5, FREE=2' }).planWeights).toEqual({ FREE: 2, TEAM: 5, ENTERPRISE: 9 });
  for (const PLAN_WEIGHTS of ['FREE', 'FREE=0', 'FREE=1001', 'FREE=1.5', 'GOLD=3', 'FREE=1,FREE=2', 'toString=3']) {
    expect(linesAbout(complaintOf({ PLAN_WEIGHTS }), 'PLAN_WEIGHTS')).toHaveLength(1);
  }
});

test('mail needs someone it is from', () => {
  const SMTP_URL = 'smtps://mail.example';
  expect(complaintOf({ SMTP_URL })).toContain('MAIL_FROM is needed');
  for (const MAIL_FROM of ['orgate@mail.example', 'Acme Corp. <orgate@mail.example>']) {
    expect(readConfig({ SMTP_URL, MAIL_FROM }).mail).toEqual({ url: SMTP_URL, from: MAIL_FROM });
  }
  for (const MAIL_FROM of ['Acme', 'a@b, c@d', 'a <b>', 'a <b@c>\r\nBcc: d@e']) {
    expect(complaintOf({ SMTP_URL, MAIL_FROM })).toContain('MAIL_FROM');
  }
});

test('where people work is a page, by https in production; what it is called is short', () => {
  expect(readConfig({})).toMatchObject({ productName: 'orgate', productUrl: null });
  const set = { PRODUCT_NAME: ' Acme Console ', PRODUCT_URL: 'http://localhost:3000' };
  expect(readConfig(set)).toMatchObject({ productName: 'Acme Console', productUrl: 'http://localhost:3000/' });
  for (const PRODUCT_URL of ['app.example', 'javascript:alert(1)', 'https://ann:secret@app.example']) {
    expect(linesAbout(complaintOf({ PRODUCT_URL }), 'PRODUCT_URL')).toHaveLength(1);
  }
  expect(linesAbout(complaintOf({ ...set, NODE_ENV: 'production' }), 'PRODUCT_URL')).toHaveLength(1);
  expect(linesAbout(complaintOf({ PRODUCT_NAME: 'x'.repeat(61) }), 'PRODUCT_NAME')).toHaveLength(1);
});

test('every problem is told at once, each with its variable and an example that works', () => {
  const complaint = complaintOf(WRONG);
  for (const variable of Object.keys(WRONG)) {
    const [line, ...more] = linesAbout(complaint, variable);
    expect(more).toEqual([]);
    expect(line).toMatch(new RegExp(`${variable} \\S.* Example: ${variable}=\\S`));
    const example = line?.split(`Example: ${variable}=`)[1]?.split(', or ')[0];
    // Its example is a command: a key that is printed somewhere would sooner or later be somebody's.
    if (variable === 'ORGATE_SECRET_KEY') continue;
    expect(complaintOf({ MAIL_FROM: 'orgate@mail.example', [variable]: example })).toBe('');
  }
});

test('what production lacks is told together with what is wrong otherwise', () => {
  const complaint = complaintOf({ NODE_ENV: 'production', PORT: 'four thousand' });
  for (const variable of ['DATABASE_URL', 'ORGATE_SECRET_KEY', 'PUBLIC_URL', 'AUTH_ISSUERS', 'PORT']) {
    expect(complaint).toMatch(new RegExp(`\\b${variable} .*Example: ${variable}=`));
  }
});

test('migrations need two URLs and nothing else, and servers need not know the owner', () => {
  const { DATABASE_URL, MIGRATION_DATABASE_URL, ...others } = PRODUCTION;
  expect(readDatabaseUrls({ NODE_ENV: 'production', DATABASE_URL, MIGRATION_DATABASE_URL })).toEqual({
    ownerUrl: MIGRATION_DATABASE_URL,
    loginUrl: DATABASE_URL,
  });
  expect(() => readDatabaseUrls({ MIGRATION_DATABASE_URL: 'db.example' })).toThrow(
    /2 problems:\n {2}MIGRATION_DATABASE_URL must be a postgres:\/\/ URL\. .*\n {2}DATABASE_URL is needed/,
  );
  expect(readConfig({ ...others, DATABASE_URL }).migrationDatabaseUrl).toBeNull();
});

describe('Identity providers of the deployment', () => {
  const oidc = { id: 'google', name: 'Google', kind: 'OIDC', issuer: 'https://id.example', clientId: 'orgate' };
  const read = (...providers: object[]) => ({ SIGN_IN_PROVIDERS: JSON.stringify(providers) });

  test('are enough to sign in by in production', () => {
    const { AUTH_ISSUERS: _, ...production } = PRODUCTION;
    expect(complaintOf({ ...production })).toContain('nobody could sign in');
    expect(readConfig({ ...production, ...read(oidc) })).toMatchObject({
      signInProviders: [{ ...oidc, clientSecret: null, emailDomains: null }],
      egressAllow: [],
    });
  });

  test.each<[string, object[]]>([
    ['two of one id', [oidc, { ...oidc, name: 'Other' }]],
    ['one with the id of an organization’s own', [{ ...oidc, id: 'idp_x' }]],
    ['one without TLS', [{ ...oidc, issuer: 'http://id.example' }]],
    ['one with a setting that is none', [{ ...oidc, domains: ['acme.example'] }]],
    ['one of another kind', [{ ...oidc, kind: 'LDAP' }]],
    [
      'a SAML one that speaks for every domain',
      [{ id: 'corp', name: 'Corp', kind: 'SAML', issuer: 'x', signInUrl: 'https://id.example', certificates: [] }],
    ],
  ])('are not %s', (_what, providers) => {
    expect(linesAbout(complaintOf(read(...providers)), 'SIGN_IN_PROVIDERS')).toHaveLength(1);
  });
});

test('a value that is refused is not repeated: it may hold a password', () => {
  expect(complaintOf({ DATABASE_URL: 'mysql://orgate:hunter2@db.example' })).not.toContain('hunter2');
  expect(complaintOf({ AUTH_ISSUERS: '[{"issuer":"hunter2"' })).not.toContain('hunter2');
});

test('production is reached by https only', () => {
  expect(linesAbout(complaintOf({ ...PRODUCTION, PUBLIC_URL: 'http://orgate.example' }), 'PUBLIC_URL')).toHaveLength(1);
  expect(readConfig({ ...PRODUCTION, PUBLIC_URL: 'https://Orgate.example:443/' }).publicUrl).toBe(
    'https://orgate.example',
  );
});

test.each(['', Buffer.alloc(31).toString('base64'), Buffer.alloc(33).toString('base64'), 'x'.repeat(43)])(
  'a secret key is 32 bytes in base64, not "%s"',
  (key) => {
    const old = Buffer.alloc(32, 1).toString('base64');
    expect(linesAbout(complaintOf({ ORGATE_SECRET_KEY: `${old},-${key}` }), 'ORGATE_SECRET_KEY')).toHaveLength(1);
    expect(readConfig({ ORGATE_SECRET_KEY: `${old}, ${old}` }).secretKeys).toEqual([old, old]);
  },
);

test('production opens nothing by itself: no development issuer, no GraphiQL, no introspection', () => {
  expect(readConfig(PRODUCTION)).toMatchObject({
    production: true,
    development: false,
    graphiql: false,
    introspection: false,
  });
  expect(readConfig({ ...PRODUCTION, GRAPHIQL: 'true', INTROSPECTION: 'true' })).toMatchObject({
    development: false,
    graphiql: true,
    introspection: true,
  });
});

test.each([
  ['127.0.0.1', true],
  ['127.0.0.53', true],
  ['localhost', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.1.7', false],
  ['127.0.0.1.example', false],
  ['localhost.example', false],
])('with HOST=%s the development issuer exists: %s', (HOST, development) => {
  expect(readConfig({ HOST, AUTH_ISSUERS: JSON.stringify([ISSUER]) }).development).toBe(development);
  expect(linesAbout(complaintOf({ HOST }), 'AUTH_ISSUERS')).toHaveLength(development ? 0 : 1);
  expect(linesAbout(complaintOf({ HOST, AUTH_ISSUERS: '[]' }), 'AUTH_ISSUERS')).toHaveLength(development ? 0 : 1);
});

test.each(['HS256', 'HS512', 'none', 'RSA1_5', ''])(
  'an issuer cannot be trusted with the algorithm "%s"',
  (algorithm) => {
    const AUTH_ISSUERS = JSON.stringify([{ ...ISSUER, algorithms: ['ES256', algorithm] }]);
    expect(complaintOf({ AUTH_ISSUERS })).toContain('0: algorithms: 1');
  },
);

test('a misspelt or missing setting of an issuer is told, and every one of them', () => {
  const complaint = complaintOf({ AUTH_ISSUERS: JSON.stringify([ISSUER, { issuer: 'x', audiance: 'orgate' }]) });
  for (const part of ['1: jwksUri', '1: audience', 'audiance']) expect(complaint).toContain(part);
});

test('an issuer is trusted for asymmetric algorithms and access tokens unless it says otherwise', () => {
  const [first, second, third] = readConfig({
    AUTH_ISSUERS: JSON.stringify([
      ISSUER,
      { ...ISSUER, algorithms: ['PS512'], typ: 'application/Secevent+JWT' },
      { ...ISSUER, typ: null },
    ]),
  }).issuers;
  expect(first).toMatchObject({ algorithms: ['RS256', 'ES256', 'EdDSA'], typ: ['at+jwt', 'jwt'] });
  expect(second).toMatchObject({ algorithms: ['PS512'], typ: ['secevent+jwt'] });
  expect(third).toMatchObject({ typ: null });
});

test.each(['9.9.9.9', '9.9.9.9:5353', '::1', '[::1]', '[2620:fe::fe]:53', '9.9.9.9, [::1]:5353'])(
  'DNS_SERVERS may be %s',
  (DNS_SERVERS) => expect(complaintOf({ DNS_SERVERS })).toBe(''),
);
test.each(['dns.example', '9.9.9', '9.9.9.9:65536', '9.9.9.9:', '[::1]:x', '9.9.9.9;1.1.1.1', '9.9.9.9/53'])(
  'DNS_SERVERS may not be %s',
  (DNS_SERVERS) => expect(linesAbout(complaintOf({ DNS_SERVERS }), 'DNS_SERVERS')).toHaveLength(1),
);

test.each(['10.0.0.0/8,127.0.0.1', '::1', 'fd00::/8, 2001:db8::7/128', 'loopback, linklocal,uniquelocal'])(
  'TRUST_PROXY may be %s',
  (TRUST_PROXY) => expect(complaintOf({ TRUST_PROXY })).toBe(''),
);
test.each(['banana', 'true', '1', '*', 'proxy.example', '10.0.0.0/33', '10.0.0.0/0', '::1/129', '10.0.0.1, Loopback'])(
  'TRUST_PROXY may not be %s: it says what may stand there',
  (TRUST_PROXY) =>
    expect(linesAbout(complaintOf({ TRUST_PROXY }), 'TRUST_PROXY')).toEqual([
      expect.stringMatching(/addresses.*10\.0\.0\.0\/8.*loopback, linklocal or uniquelocal/),
    ]),
);

test.each(['https://app.example.com', 'http://localhost:5173, https://[::1]:8443'])(
  'CORS_ORIGINS may be %s',
  (CORS_ORIGINS) => expect(complaintOf({ CORS_ORIGINS })).toBe(''),
);
test.each([
  'app.example.com',
  'http://app.example/',
  '*',
  'null',
  'https://App.example',
  'https://app.example:443',
  'https://app.example/path',
  'https://app.example, ftp://app.example',
])('CORS_ORIGINS may not be %s: it is compared with what browsers send, which is told', (CORS_ORIGINS) =>
  expect(linesAbout(complaintOf({ CORS_ORIGINS }), 'CORS_ORIGINS')).toEqual([
    expect.stringMatching(/as browsers send them.*Example: CORS_ORIGINS=https:\/\/app\.example\.com/),
  ]),
);

test.each(['RATE_LIMIT_PERSON', 'RATE_LIMIT_CREATION', 'METRICS_PORT'])(
  '%s says that it may be off, whatever it is that is wrong',
  (variable) => {
    for (const value of ['-1', variable === 'METRICS_PORT' ? '65536' : '0', '99999999999', 'none']) {
      expect(linesAbout(complaintOf({ [variable]: value }), variable)).toEqual([
        expect.stringMatching(/ must be \d+ to \d+, or off\. /),
      ]);
    }
  },
);

test('a minute holds at least two of the dearest operations, or they could never run', () => {
  const complaint = complaintOf({
    QUERY_MAX_COST: '400000',
    RATE_LIMIT_KEY_POINTS: 'off',
    RATE_LIMIT_ORGANIZATION_POINTS: '799999',
    PORT: 'four thousand',
  });
  for (const party of ['PERSON', 'ORGANIZATION']) {
    const variable = `RATE_LIMIT_${party}_POINTS`;
    expect(linesAbout(complaint, variable)).toEqual([
      expect.stringMatching(/must be at least 800000, twice QUERY_MAX_COST.*, or off.*POINTS=800000$/),
    ]);
  }
  expect(linesAbout(complaint, 'RATE_LIMIT_KEY_POINTS')).toEqual([]);
  expect(linesAbout(complaint, 'PORT')).toHaveLength(1);
  expect(complaintOf({ RATE_LIMIT_PERSON_POINTS: '39999' })).toContain('RATE_LIMIT_PERSON_POINTS');
  expect(complaintOf({ RATE_LIMIT_PERSON_POINTS: '40000' })).toBe('');
});

test.each([
  ['p@ss:w/rd', 'postgres://orgate:p@ss:w/rd@db.example/orgate'],
  ['a slash', 'postgres://orgate:hunter2/x@db.example/orgate'],
  ['a slash after digits, which look like a port', 'postgres://orgate:12/hunter2@db.example/orgate'],
  ['a hash after digits', 'postgres://orgate:12#hunter2@db.example/orgate'],
  ['a question mark', 'postgres://orgate:hunter2?x@db.example/orgate'],
  ['a question mark after digits', 'postgres://orgate:12?hunter2@db.example/orgate'],
  ['a percent sign', 'postgres://orgate:hunter2%ff@db.example/orgate'],
])('a password in a database URL is percent-encoded, which is told without it: %s', (_what, url) => {
  for (const variable of ['DATABASE_URL', 'MIGRATION_DATABASE_URL']) {
    const complaint = complaintOf({ [variable]: url });
    expect(linesAbout(complaint, variable)).toEqual([expect.stringMatching(/percent-encoded.*%40/)]);
    expect(complaint).not.toMatch(/hunter2|p@ss|rd@/);
  }
});
test.each([
  'postgres://orgate:p%40ss%2Fw%23%3Frd@db.example/orgate',
  'postgres://db.example/orgate?user=orgate@server',
  'postgresql://orgate@[::1]:5432/orgate?sslmode=require',
  'postgres://orgate:secret@/orgate?host=/var/run/postgresql',
])('a database URL may be %s', (DATABASE_URL) => expect(complaintOf({ DATABASE_URL })).toBe(''));
