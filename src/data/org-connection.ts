import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { OrgId } from './id.js';
import { ScopedQuery, scopeStatement } from './scoped-query.js';
import { type Callback, PreparedStatements, type Wire } from './statement.js';
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

const stops = new AsyncLocalStorage<Stop>();

/** Ends what a request has running in the database, all at once, when nobody waits for it any more. */
export class Stop {
  isStopped = false;
  readonly running = new Set<() => void>();

  stop(): void {
    this.isStopped = true;
    for (const end of this.running) end();
  }
}

/** Stops the statements of `work`, those on their way and those to come, when told to. */
export const stoppable = <T>(stop: Stop, work: () => T): T => stops.run(stop, work);

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

/** Sent by Prisma around an interactive transaction. They touch no row, so they need no frame. */
const TRANSACTION_CONTROL = new Set(['BEGIN', 'COMMIT', 'ROLLBACK']);

/** What a connection runs: a statement in its frame, or one of the login role itself. */
interface PgQuery {
  callback: Callback;
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
const BaseQuery = pg.Query as unknown as new (config: pg.QueryConfig) => PgQuery;
const BaseClient = pg.Client as unknown as new (config: pg.ClientConfig) => PgClient;
const BasePool = pg.Pool as unknown as new (config: Omit<pg.PoolConfig, 'Client'> & { Client: unknown }) => PgPool;

/** A statement of the login role itself, outside every frame. Migrations, start-up checks and tests only. */
export const asLoginRole = (text: string, values?: unknown[]): PgQuery =>
  new BaseQuery({ text, ...(values && { values }) });

/** What to send for a statement that Prisma or the directory hands in, decided in the caller's frame. */
function toQuery(config: pg.QueryConfig | PgQuery, options: ConnectionOptions): PgQuery {
  if (config instanceof BaseQuery || config instanceof ScopedQuery) return config;
  if (TRANSACTION_CONTROL.has(config.text)) return new BaseQuery({ text: config.text });
  const frame = frames.getStore();
  if (!frame || (frame.role === 'orgate_app' && !frame.orgId)) {
    throw new UnscopedStatementError('a statement was about to run outside every organization');
  }
  if (stops.getStore()?.isStopped) throw new Error('nobody waits for this statement any more');
  options.onStatement?.(config.text, frame);
  if (frame.role === 'orgate_app') checkTripwire(config, frame.orgId, options.onAlarm);
  return new ScopedQuery(config, frame, options.statementTimeoutMs);
}

/** A connection on which no statement runs outside a frame. */
class ScopedClient extends BaseClient {
  declare options: ConnectionOptions;

  override query(config: pg.QueryConfig | PgQuery, values?: unknown, callback?: Callback): Promise<pg.QueryResult> {
    const query = toQuery(config, this.options);
    if (callback) return super.query(Object.assign(query, { callback }), values);
    const result = new Promise<pg.QueryResult>((resolve, reject) => {
      query.callback = (error, value) => (error ? reject(error) : resolve(value as pg.QueryResult));
    });
    if (query instanceof ScopedQuery) {
      endWhenStopped(this, query);
      raiseOnRefusal(query, this.options.onAlarm);
    }
    void super.query(query);
    return result;
  }

  /** Gives the connection its prepared scope, before any other statement. */
  prepareScope(): void {
    const statements = new PreparedStatements(randomBytes(6).toString('base64url'));
    this.connection.statements = statements;
    const query = new BaseQuery(scopeStatement(statements.scope));
    this.query(query).catch(() => undefined); // a broken connection fails its first real statement as well
  }
}

/** PostgreSQL refused for want of a privilege, or by a policy: wall 2 held, and wall 1 let something through. */
function raiseOnRefusal(query: ScopedQuery, onAlarm: ConnectionOptions['onAlarm']): void {
  const { callback: done, frame, text } = query;
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
function endWhenStopped(client: ScopedClient, query: ScopedQuery): void {
  const running = stops.getStore()?.running;
  const { target } = client.options;
  if (!running || !('url' in target)) return; // the embedded database cannot cancel
  const done = query.callback;
  let delivered: Promise<void> | undefined;
  const end = () => {
    if (client.activeQuery !== query) return;
    const canceller = new BaseClient({ connectionString: target.url });
    delivered = new Promise((resolve) => {
      for (const event of ['end', 'error']) canceller.connection.once(event, () => resolve());
    });
    canceller.cancel(client, query);
  };
  running.add(end);
  query.callback = (error, result) => {
    running.delete(end);
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
