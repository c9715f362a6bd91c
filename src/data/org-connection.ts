import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { OrgId } from './id.js';
import { checkTripwire, type IsolationAlarm } from './tripwire.js';

/**
 * For whom a statement runs. Every statement of the gateway runs in exactly one frame: inside one organization, or as
 * the directory, which stands outside all of them.
 */
export type Frame = { readonly role: 'orgate_app'; readonly orgId: OrgId } | { readonly role: 'orgate_directory' };

const frames = new AsyncLocalStorage<Frame>();

/**
 * Runs `work` in a frame. It is awaited inside, because a Prisma promise does nothing until someone awaits it, and then
 * acts in the awaiter's frame.
 */
export const inFrame = <T>(frame: Frame, work: () => PromiseLike<T>): Promise<T> =>
  frames.run(frame, async () => await work());

const signals = new AsyncLocalStorage<AbortSignal>();

/** Stops the statements of `work`, those on their way and those to come, when the signal is aborted. */
export const stoppable = <T>(signal: AbortSignal, work: () => T): T => signals.run(signal, work);

/** A statement was about to run outside every organization; nothing was sent. */
export class UnscopedStatementError extends Error {
  override readonly name = 'UnscopedStatementError';
}

export interface ConnectionOptions {
  /** A PostgreSQL URL, or the directory of the embedded database's Unix socket. */
  readonly target: { readonly url: string } | { readonly socketDirectory: string };
  readonly poolSize: number;
  readonly statementTimeoutMs: number;
  /** Off for poolers that cannot keep prepared statements (PgBouncer before 1.21 in transaction mode). */
  readonly preparedStatements: boolean;
  /** Told of each statement as it is handed in. */
  readonly onStatement?: (text: string, frame: Frame) => void;
  /** Told of each statement that would have crossed from one organization into another. */
  readonly onAlarm?: (alarm: IsolationAlarm) => void;
}

const SET_SCOPE =
  "select set_config('role', $1, true), set_config('app.org_id', $2, true), set_config('statement_timeout', $3, true)";
/** Sent by Prisma around an interactive transaction. They touch no row, so they need no frame. */
const TRANSACTION_CONTROL = new Set(['BEGIN', 'COMMIT', 'ROLLBACK']);
/** Texts with a list of ids differ by its length; past this many a statement goes unnamed, and is parsed each time. */
const MAX_NAMED_STATEMENTS = 400;

type Callback = (error: Error | null, result?: pg.QueryResult) => void;

/** The parts of pg's own classes that a subclass needs and its types leave out. */
interface Wire extends NodeJS.EventEmitter {
  parse(message: { text: string }): void;
  bind(message: { statement?: string; values: string[] }): void;
  execute(message: object): void;
  /** Names of the statements that this connection has prepared, by text. */
  statementNames?: { readonly prefix: string; readonly scope: string; readonly byText: Map<string, string> };
}
interface PgQuery {
  text: string;
  name?: string | undefined;
  callback: Callback;
  prepare(connection: Wire): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Wire): void;
}
interface PgClient {
  readonly connection: Wire;
  readonly activeQuery: unknown;
  query(config: pg.QueryConfig | PgQuery, values?: unknown, callback?: Callback): Promise<pg.QueryResult>;
  cancel(client: PgClient, query: PgQuery): void;
  release(error?: boolean): void;
}
interface PgPool extends NodeJS.EventEmitter {
  connect(): Promise<PgClient>;
  query(config: pg.QueryConfig): Promise<pg.QueryResult>;
  end(): Promise<void>;
}
const BaseQuery = pg.Query as unknown as new (config: pg.QueryConfig & { queryMode?: 'extended' }) => PgQuery;
const BaseClient = pg.Client as unknown as new (config: pg.ClientConfig) => PgClient;
const BasePool = pg.Pool as unknown as new (config: Omit<pg.PoolConfig, 'Client'> & { Client: unknown }) => PgPool;

/**
 * One statement that carries its frame with it: role, organization and time limit are set and the statement is run in
 * ONE extended-protocol batch with ONE Sync. PostgreSQL treats such a batch as one implicit transaction, so it costs no
 * extra round trip, and nothing is left on the connection, not even after an error.
 */
class ScopedQuery extends BaseQuery {
  #scopeAnswered = false;

  constructor(
    config: pg.QueryConfig,
    readonly frame: Frame,
    readonly signal: AbortSignal | undefined,
    readonly options: ConnectionOptions,
  ) {
    super({ ...config, queryMode: 'extended' });
  }

  /** Called by pg where it writes a statement: the scope goes first, into the same batch. */
  override prepare(connection: Wire): void {
    const { role } = this.frame;
    const names = connection.statementNames;
    if (names) this.name = nameOf(this.text, names);
    else connection.parse({ text: SET_SCOPE });
    connection.bind({
      ...(names && { statement: names.scope }),
      values: [role, role === 'orgate_app' ? this.frame.orgId : '', String(this.options.statementTimeoutMs)],
    });
    connection.execute({});
    super.prepare(connection);
  }

  /** The scope's own row and completion come first and are not the caller's. */
  override handleDataRow(message: unknown): void {
    if (this.#scopeAnswered) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.#scopeAnswered) super.handleCommandComplete(message, connection);
    else this.#scopeAnswered = true;
  }
}

/** A statement of the login role itself, outside every frame. Migrations, start-up checks and tests only. */
export const asLoginRole = (text: string, values?: unknown[]): PgQuery =>
  new BaseQuery({ text, ...(values && { values }) });

function nameOf(text: string, { prefix, byText }: NonNullable<Wire['statementNames']>): string | undefined {
  const known = byText.get(text);
  if (known !== undefined || byText.size >= MAX_NAMED_STATEMENTS) return known;
  const name = `${prefix}${byText.size}`;
  byText.set(text, name);
  return name;
}

/** What to send for a statement that Prisma or the directory hands in, decided in the caller's frame. */
function toQuery(config: pg.QueryConfig | PgQuery, options: ConnectionOptions): PgQuery {
  if (config instanceof BaseQuery) return config;
  if (TRANSACTION_CONTROL.has(config.text)) return new BaseQuery({ text: config.text });
  const frame = frames.getStore();
  if (!frame || (frame.role === 'orgate_app' && !frame.orgId)) {
    throw new UnscopedStatementError('a statement was about to run outside every organization');
  }
  const signal = signals.getStore();
  signal?.throwIfAborted();
  options.onStatement?.(config.text, frame);
  if (frame.role === 'orgate_app') checkTripwire(config, frame.orgId, options.onAlarm);
  return new ScopedQuery(config, frame, signal, options);
}

/** A connection on which no statement runs outside a frame. */
class ScopedClient extends BaseClient {
  declare options: ConnectionOptions;

  override query(config: pg.QueryConfig | PgQuery, values?: unknown, callback?: Callback): Promise<pg.QueryResult> {
    const query = toQuery(config, this.options);
    if (callback) return super.query(query, values, callback);
    const result = new Promise<pg.QueryResult>((resolve, reject) => {
      query.callback = (error, value) => (error ? reject(error) : resolve(value as pg.QueryResult));
    });
    if (query instanceof ScopedQuery) {
      cancelOnAbort(this, query);
      raiseOnRefusal(query);
    }
    void super.query(query);
    return result;
  }

  /** Gives the connection its prepared scope, before any other statement. */
  prepareScope(): void {
    // A prefix of its own for every connection: those of an embedded database share one backend, and its names.
    const prefix = randomBytes(6).toString('base64url');
    const names = { prefix, scope: `${prefix}scope`, byText: new Map<string, string>() };
    this.connection.statementNames = names;
    const query = new BaseQuery({ name: names.scope, text: SET_SCOPE, values: ['none', '', '0'] });
    this.query(query).catch(() => undefined); // a broken connection fails its first real statement as well
  }
}

/** PostgreSQL refused for want of a privilege, or by a policy: wall 2 held, and wall 1 let something through. */
function raiseOnRefusal(query: ScopedQuery): void {
  const { callback: done, frame, text } = query;
  const { onAlarm } = query.options;
  if (!onAlarm) return;
  const orgId = frame.role === 'orgate_app' ? frame.orgId : null;
  query.callback = (error, result) => {
    if (error instanceof pg.DatabaseError && error.code === '42501')
      onAlarm({ stoppedBy: 'database', orgId, statement: text });
    done(error, result);
  };
}

/**
 * Asks PostgreSQL to stop a statement whose client went away. The answer is handed on only after the request has been
 * delivered, so that it can never hit the next statement on this connection.
 */
function cancelOnAbort(client: PgClient, query: ScopedQuery): void {
  const { signal, options } = query;
  if (!signal || !('url' in options.target)) return; // the embedded database cannot cancel
  const url = options.target.url;
  const done = query.callback;
  let delivered: Promise<void> | undefined;
  const abort = () => {
    if (client.activeQuery !== query) return;
    const canceller = new BaseClient({ connectionString: url });
    delivered = new Promise((resolve) => {
      for (const event of ['end', 'error']) canceller.connection.once(event, () => resolve());
    });
    canceller.cancel(client, query);
  };
  signal.addEventListener('abort', abort, { once: true });
  query.callback = (error, result) => {
    signal.removeEventListener('abort', abort);
    if (delivered) void delivered.then(() => done(error, result));
    else done(error, result);
  };
}

/**
 * The pool that Prisma and the directory draw on. A statement takes its frame when it is handed in: the moment at which
 * a connection becomes free belongs to whoever gave it back.
 */
export class ScopedPool extends BasePool {
  constructor(private readonly scope: ConnectionOptions) {
    const { target } = scope;
    super({
      ...('url' in target
        ? { connectionString: target.url, idleTimeoutMillis: 30_000 }
        : { host: target.socketDirectory, user: 'postgres', database: 'postgres', idleTimeoutMillis: 0 }),
      max: scope.poolSize,
      connectionTimeoutMillis: 10_000,
      application_name: 'orgate',
      Client: ScopedClient,
    });
    this.on('connect', (client: ScopedClient) => {
      client.options = scope;
      if (scope.preparedStatements) client.prepareScope();
    });
    this.on('error', () => undefined); // an idle connection broke; the pool has already dropped it
  }

  override query(config: pg.QueryConfig): Promise<pg.QueryResult> {
    return this.#run(toQuery(config, this.scope));
  }

  /** Runs a statement as the login role itself, outside every frame: migrations, start-up checks and tests only. */
  queryAsLoginRole(text: string, values?: unknown[]): Promise<pg.QueryResult> {
    return this.#run(asLoginRole(text, values));
  }

  async #run(query: PgQuery): Promise<pg.QueryResult> {
    const client = await this.connect();
    try {
      const result = await client.query(query);
      client.release();
      return result;
    } catch (error) {
      client.release(isBroken(error));
      throw error;
    }
  }
}

/** The connection failed, not the statement; the pool drops such a connection. */
const isBroken = (error: unknown): boolean =>
  !(error instanceof pg.DatabaseError) || /^(57P0|08)/.test(error.code ?? '');
