import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { type Config, readConfig } from '../../src/config/config.js';
import type { Frame } from '../../src/data/connection/frame.js';
import { type Database, openDatabase } from '../../src/data/database.js';
import { createMetrics, type Metrics } from '../../src/gateway/http/metrics.js';
import type { Schedule } from '../../src/jobs/schedule.js';
import { createServer, type Server } from '../../src/server.js';
import type { Documents, WrongDocuments } from '../generated/documents.js';
import { checkSpelling } from './misspelt.js';

export const isPostgres = process.env['ORGATE_TEST_URL'] !== undefined;

// A document that is put together while the test runs has a shape that only the test knows, and asserts.
// oxlint-disable-next-line typescript/no-explicit-any
export interface Answer<Data = any> {
  readonly status: number;
  readonly headers: Headers;
  /** The body, parsed. */
  readonly data: Data;
  readonly errors: { message: string; path?: (string | number)[]; extensions: Record<string, unknown> }[];
  readonly text: string;
}

/** Texts that stand in a test are checked; those that are put together while it runs, and `unchecked` ones, are not. */
type IsOpen<Text extends string> = Record<never, never> extends Record<Text, 1> ? true : false;
export type Checked<Text extends string> =
  IsOpen<Text> extends true
    ? unknown
    : Text extends keyof Documents
      ? unknown
      : { wrong: Text extends keyof WrongDocuments ? WrongDocuments[Text] : 'not seen by npm run generate' };
export type AnswerTo<Text> = Answer<Text extends keyof Documents ? Documents[Text]['data'] : Answer['data']>;
type VariablesOf<Text> = Text extends keyof Documents
  ? { readonly [Name in Documents[Text]['variables']]?: unknown }
  : Readonly<Record<string, unknown>>;

export { unchecked } from './misspelt.js';

/** Sends operations as one person, in one organization or in none. */
export interface Client {
  <Text extends string>(
    query: Text & Checked<Text>,
    variables?: VariablesOf<Text>,
    headers?: Record<string, string>,
  ): Promise<AnswerTo<Text>>;
  readonly token: string;
  readonly email: string;
}

export interface TestServer {
  readonly url: string;
  readonly database: Database;
  readonly config: Config;
  readonly metrics: Metrics;
  /** Every line that the server logged. */
  readonly logs: string[];
  /** Every statement that was handed to the database. */
  readonly statements: { text: string; frame: Frame }[];
  /** A person with this e-mail, known from the first request on. */
  as(email: string, organization?: string): Promise<Client>;
  withToken(token: string, email?: string, headers?: Record<string, string>): Client;
  post(body: string, headers?: Record<string, string>): Promise<Answer>;
  issuer: TestIssuer;
  close(): Promise<void>;
}

/** An identity provider that signs what a test wants signed, and serves its keys over HTTP. */
export interface TestIssuer {
  readonly issuer: string;
  readonly jwksUri: string;
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

export async function startIssuer(): Promise<TestIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const kid = randomUUID();
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }] });
  const http = createHttpServer((_request, response) =>
    response.setHeader('content-type', 'application/json').end(jwks),
  );
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    sign: (claims, header = {}) =>
      new SignJWT({ iss: issuer, aud: 'orgate', ...claims, exp: claims.exp ?? Math.floor(Date.now() / 1000) + 600 })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...header })
        .setIssuedAt()
        .sign(privateKey),
    close: () => new Promise((resolve) => http.close(() => resolve())),
  };
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly wrap?: (database: Database) => Database;
  readonly poolSize?: number;
  readonly closeGraceMs?: number;
  /** A database that nothing else is in: the embedded one, in memory. */
  readonly ownDatabase?: boolean;
  /** Another database than the run's, on PostgreSQL. */
  readonly databaseUrl?: string;
  readonly compileFrom?: number;
  /** Whether what is done again and again beside the requests is done: without, no statement is of anything else. */
  readonly scheduled?: boolean;
  /** What it is handed to where it is not done. */
  readonly schedule?: Schedule;
}

const opened = new Set<Database>();

/** How many statements and transactions wait for their organization's turn, in all databases of this test file. */
export const countWaitingTurns = (): number => {
  let count = 0;
  for (const { pool } of opened) count += pool.turns.waiting;
  return count;
};

export async function openTestDatabase(
  options: {
    ownDatabase?: boolean | undefined;
    url?: string | undefined;
    poolSize?: number;
    statementTimeoutMs?: number;
    lockTimeoutMs?: number;
    preparedStatements?: boolean;
    onStatement?: (text: string, frame: Frame) => void;
  } = {},
): Promise<Database> {
  const url = options.url ?? process.env['ORGATE_TEST_URL'];
  const shared = url ? { url, migrationUrl: null } : { socketDirectory: process.env['ORGATE_TEST_SOCKET'] as string };
  const database = await openDatabase({
    store: options.ownDatabase ? { dataDirectory: null } : shared,
    poolSize: 4,
    statementTimeoutMs: 10_000,
    preparedStatements: true,
    requireSeparateLogin: false,
    onStep: () => undefined,
    ...options,
  });
  opened.add(database);
  return database;
}

/** Tests ask faster than people; those of the limits set their own. */
const UNHURRIED = Object.fromEntries(
  [
    'ADDRESS',
    'PERSON',
    'KEY',
    'ORGANIZATION',
    'STRANGER',
    'PERSON_POINTS',
    'KEY_POINTS',
    'ORGANIZATION_POINTS',
    'SIGN_IN',
    'INVITATION',
    'ACCEPTANCE',
    'SWITCHING',
    'CREATION',
  ].map((limit) => [`RATE_LIMIT_${limit}`, '1000000000']),
);

export const NOTHING_SCHEDULED: Schedule = { every: () => undefined, close: () => Promise.resolve() };

export async function startServer({
  env = {},
  wrap = (each) => each,
  poolSize = 4,
  closeGraceMs,
  ownDatabase,
  databaseUrl,
  compileFrom,
  scheduled = false,
  schedule = NOTHING_SCHEDULED,
}: StartOptions = {}): Promise<TestServer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-test-'));
  const issuer = await startIssuer();
  const config = readConfig({
    PORT: '0',
    METRICS_PORT: 'off',
    DATA_DIR: directory,
    // One for all servers of a run, which share a database and what is sealed in it.
    ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    GRAPHIQL: 'false',
    // A test waits for locks as long as it means to, however busy the machine is.
    DATABASE_LOCK_TIMEOUT_MS: '20000',
    ...UNHURRIED,
    AUTH_ISSUERS: JSON.stringify([
      { issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'orgate', algorithms: ['ES256'], typ: 'at+jwt' },
    ]),
    ...env,
  });
  const logs: string[] = [];
  const statements: TestServer['statements'] = [];
  const metrics = createMetrics();
  const database = await openTestDatabase({
    ownDatabase,
    url: databaseUrl,
    poolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
    onStatement: (text, frame) => void statements.push({ text, frame }),
  });
  const server: Server = await createServer({
    config,
    database: wrap(database),
    metrics,
    ...(closeGraceMs !== undefined && { closeGraceMs }),
    ...(!scheduled && { schedule }),
    logTo: { write: (line: string) => void logs.push(line) },
    // Most tests ask once: on PostgreSQL they are answered by compiled operations, on the embedded database as people are.
    compileFrom: compileFrom ?? (isPostgres ? 1 : 3),
  });

  const post = async (body: string, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    const text = await response.text();
    const parsed = text.startsWith('{') ? (JSON.parse(text) as { data?: unknown; errors?: Answer['errors'] }) : {};
    return {
      status: response.status,
      headers: response.headers,
      data: parsed.data ?? null,
      errors: parsed.errors ?? [],
      text,
    };
  };
  const withToken = (token: string, email = '', base: Record<string, string> = {}): Client =>
    Object.assign(
      (query: string, variables?: Record<string, unknown>, headers: Record<string, string> = {}) => {
        checkSpelling(query);
        return post(JSON.stringify({ query, variables }), { authorization: `Bearer ${token}`, ...base, ...headers });
      },
      { token, email },
    );
  return {
    url: server.url,
    database,
    config,
    metrics,
    logs,
    statements,
    issuer,
    post,
    withToken,
    as: async (email, organization) => {
      const claims = {
        sub: email,
        email,
        email_verified: true,
        name: email.split('@')[0],
        ...(organization && { org: organization }),
      };
      return withToken(await issuer.sign(claims), email);
    },
    close: async () => {
      try {
        await server.close();
      } finally {
        await issuer.close();
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** One server for the tests of a file. */
export function useServer(options?: StartOptions): TestServer {
  const holder = {} as TestServer;
  beforeAll(async () => {
    Object.assign(holder, await startServer(options));
  });
  afterAll(() => holder.close());
  return holder;
}

/** The code of the only error of an answer. */
export const codeOf = (answer: Answer): unknown =>
  answer.errors.length === 1 ? answer.errors[0]?.extensions['code'] : answer.errors;

/** What was answered, but for the id that no two requests share. */
export const withoutRequestId = ({ text }: Pick<Answer, 'text'>): string =>
  text.replaceAll(/"requestId":"[^"]+"/g, '"requestId":""');
