import type { ActorAsRead } from './act.js';
import type { Frame } from './frame.js';
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { OrgateError } from '../../errors.js';
import { AnswerTimes } from './answer-times.js';
import { ClientLeftError } from './client-left.js';
import { Clock } from './clock.js';
import { Pending } from './pending.js';
import { PoolSize } from './pool-size.js';
import type { ReadBound } from './read-bound.js';
import { ScopedQuery, ScopePreparation } from './scoped-query.js';
import { watchSilence } from './silence.js';
import { isRead, type Outcome } from './statement-kinds.js';
import { type Callback, type OwnStatement, PreparedStatements, Statement, type Wire } from './statement.js';
import { checkTripwire, type IsolationAlarm } from './tripwire.js';
import { DIRECTORY_LANE, type TellWait, type Turn, Turns } from './turns.js';

/** What statements that begin in some work inherit from it. In one place, since each costs every promise there is. */
interface Scope {
  readonly frame: Frame | undefined;
  readonly stop: Stop | undefined;
  readonly hold: Hold | undefined;
  readonly isReadOnly: boolean;
  readonly asRead: ActorAsRead | undefined;
}

const NOTHING: Scope = { frame: undefined, stop: undefined, hold: undefined, isReadOnly: false, asRead: undefined };

interface Hold {
  client: PgClient | null;
}

const scopes = new AsyncLocalStorage<Scope>();

/** Runs `work` with something of its scope otherwise. */
const within = <T>(change: Partial<Scope>, work: () => T): T =>
  scopes.run({ ...(scopes.getStore() ?? NOTHING), ...change }, work);

/**
 * Runs `work` in a frame. It is awaited inside, because a Prisma promise does nothing until someone awaits it, and then
 * acts in the awaiter's frame. Who acts is taken over from the frame around it, where that is of the same organization.
 */
export function inFrame<T>(frame: Frame, work: () => PromiseLike<T>): Promise<T> {
  const around = scopes.getStore()?.frame;
  const isInherited = !frame.act && around?.act && isSame(frame, around);
  const inner = isInherited ? { ...frame, act: around.act } : frame;
  return within({ frame: inner }, async () => await work());
}

/** Runs `work`, which changes nothing: PostgreSQL refuses every change that it tries, in whatever frame. @throws READ_ONLY there */
export const readingOnly = <T>(work: () => T): T => within({ isReadOnly: true }, work);

/**
 * Runs `work`, in no transaction: what starts a run or records usage there is refused by PostgreSQL where whoever acts is otherwise by then.
 *
 * @throws ActorChangedError there
 */
export const whileAsRead = <T>(asRead: ActorAsRead, work: () => PromiseLike<T>): Promise<T> =>
  within({ asRead }, async () => await work());

const isSame = (one: Frame, other: Frame): boolean =>
  one.role === 'orgate_app' && other.role === 'orgate_app' && one.orgId === other.orgId;

/** Ends what a request has running in the database, all at once, when nobody waits for it any more. */
export class Stop {
  isStopped = false;
  /** See notePurpose. */
  purpose = '';
  /** See tellWhenWaiting. */
  readonly onWait: (() => void)[] = [];
  /** See tellTimes. */
  onTime: ((ms: number) => void) | undefined;
  readonly running = new Set<() => void>();
  readonly pending = new Pending();

  /** @param bound what it may read */
  constructor(readonly bound: ReadBound) {}

  stop(): void {
    this.isStopped = true;
    for (const end of this.running) end();
  }
}

/** Says what the request at hand is for. Transactions for the same are taken to wait for the same. */
export function notePurpose(purpose: string): void {
  const stop = scopes.getStore()?.stop;
  if (stop) stop.purpose = purpose;
}

/** Counts what the request at hand holds beside the rows that it reads. @throws QUERY_TOO_EXPENSIVE, SERVICE_UNAVAILABLE */
export const noteHeld = (bytes: number): void => scopes.getStore()?.stop?.bound.count(bytes);

/** Calls when the request at hand waits until its organization has no other transaction under way. */
export function tellWhenWaiting(tell: () => void): void {
  const stop = scopes.getStore()?.stop;
  stop?.onWait.push(tell);
}

/**
 * Calls with how long each statement of the request at hand took PostgreSQL, whatever came of it; but not how long its answer waited
 * for this thread, what waited for a lock in vain, what was on a connection that broke, nor what is part of a transaction, of which there is one at a time.
 */
export function tellTimes(tell: (ms: number) => void): void {
  const stop = scopes.getStore()?.stop;
  if (stop) stop.onTime = tell;
}

/** Runs `work` for all who wait for it: whichever request began it may end before. */
export const forAll = <T>(work: () => T): T => within({ stop: undefined, hold: undefined }, work);

/** Stops the statements of `work`, those on their way and those to come, when told to. */
export const stoppable = <T>(stop: Stop, work: () => T): T => within({ stop }, work);

/**
 * Runs `work`, which takes one connection. Whatever it does while it holds that must happen there: whoever holds a
 * connection and waits for a second keeps others, and in the end itself, from getting any.
 */
export const holdingOne = async <T>(work: () => Promise<T>): Promise<T> => {
  assertHoldsNone();
  const hold: Hold = { client: null };
  return within({ hold }, work).finally(() => (hold.client = null));
};

function assertHoldsNone(): void {
  if (scopes.getStore()?.hold?.client) throw new SecondConnectionError('a transaction asked for a second connection');
}

/** Work that holds a connection asked for another; it got none. */
export class SecondConnectionError extends Error {
  override readonly name = 'SecondConnectionError';
}

/** A statement was about to run outside every organization; nothing was sent. */
export class UnscopedStatementError extends Error {
  override readonly name = 'UnscopedStatementError';
}

export interface ConnectionOptions {
  /** A PostgreSQL URL, or the directory of the embedded database's Unix socket. */
  readonly target: { readonly url: string } | { readonly socketDirectory: string };
  readonly poolSize: number;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs?: number;
  /** Off for poolers that cannot keep prepared statements (PgBouncer before 1.21 in transaction mode). */
  readonly preparedStatements: boolean;
  /** Told of each statement as it is handed in. */
  readonly onStatement?: (text: string, frame: Frame) => void;
  /** Told of each statement that would have crossed from one organization into another. */
  readonly onAlarm?: (alarm: IsolationAlarm) => void;
  /** Told when fewer connections are to be had than configured, with how many, and when all are again. */
  readonly onPoolSize?: (size: number) => void;
  /** Told how long each waited who had to wait for a connection, and whether in vain. */
  readonly onWait?: TellWait;
}

/** How long PostgreSQL waits for whoever has a transaction open. A replica that was frozen, or cut off, may hold locks. */
const IDLE_MS = 10_000;

/**
 * Sent by Prisma around an interactive transaction, and what is sent in their place. They touch no row, so they need no frame.
 */
const TRANSACTION_CONTROL = new Map([
  ['BEGIN', `begin; set local idle_in_transaction_session_timeout = ${IDLE_MS}`],
  ['COMMIT', 'COMMIT'],
  ['ROLLBACK', 'ROLLBACK'],
]);

/** What a connection runs: a statement in its frame, or one of the login role itself. */
interface PgQuery {
  callback: Callback;
}
interface PgClient extends NodeJS.EventEmitter {
  readonly connection: Wire;
  readonly activeQuery: unknown;
  query(config: pg.QueryConfig | PgQuery, values?: unknown, callback?: Callback): Promise<pg.QueryResult>;
  cancel(client: PgClient, query: PgQuery): void;
  release(error?: boolean): void;
  end(): Promise<void>;
}
interface PgPool extends NodeJS.EventEmitter {
  readonly options: { max: number };
  readonly totalCount: number;
  readonly idleCount: number;
  connect(): Promise<PgClient>;
  query<Row extends pg.QueryResultRow>(config: pg.QueryConfig): Promise<pg.QueryResult<Row>>;
  end(): Promise<void>;
}
const BaseQuery = pg.Query as unknown as new (config: pg.QueryConfig) => PgQuery;
const BaseClient = pg.Client as unknown as new (config: pg.ClientConfig) => PgClient;
const BasePool = pg.Pool as unknown as new (config: Omit<pg.PoolConfig, 'Client'> & { Client: unknown }) => PgPool;

/** A statement of the login role itself, outside every frame. Migrations, start-up checks and tests only. */
export const asLoginRole = (text: string, values?: unknown[]): PgQuery =>
  new BaseQuery({ text, ...(values && { values }) });

/**
 * Makes what to send for a statement that Prisma or the directory hands in, decided in the caller's frame. It is made when it can be
 * sent: its values as PostgreSQL reads them are many times what they are here.
 *
 * @param isAlone in no transaction
 */
function toQuery(config: OwnStatement | PgQuery, options: ConnectionOptions, isAlone: boolean): () => PgQuery {
  if (config instanceof BaseQuery || config instanceof Statement) return () => config;
  const control = TRANSACTION_CONTROL.get(config.text);
  if (control !== undefined) return () => new BaseQuery({ text: control });
  const { frame, stop, isReadOnly, asRead } = scopes.getStore() ?? NOTHING;
  if (!frame || (frame.role === 'orgate_app' && !frame.orgId)) {
    throw new UnscopedStatementError('a statement was about to run outside every organization');
  }
  if (stop?.isStopped) throw new ClientLeftError();
  options.onStatement?.(config.text, frame);
  if (frame.role === 'orgate_app') checkTripwire(config, frame.orgId, options.onAlarm);
  return () =>
    new ScopedQuery(config, frame, { ...options, isReadOnly, asRead, isRead: isAlone && isRead(config.text) });
}

/** A connection on which no statement runs outside a frame. */
class ScopedClient extends BaseClient {
  declare options: ConnectionOptions;
  /** PostgreSQL has said goodbye, or the socket broke: whatever comes next on it fails. */
  isLost = false;

  /** A connection may break at any time, also between two statements of whoever holds it; unheard, that ends the process. */
  watchLoss(): void {
    const lose = () => (this.isLost = true);
    this.on('error', lose);
    this.connection.on('errorMessage', (error: Error) => isBroken(error) && lose());
  }

  /** Of whoever holds this connection for a transaction. */
  turn: Turn | null = null;
  /** See Watched. */
  busySince = 0;

  cut(): void {
    this.isLost = true;
    this.connection.stream.destroy();
  }

  override query(config: pg.QueryConfig | PgQuery, values?: unknown, callback?: Callback): Promise<pg.QueryResult> {
    const query = toQuery(config, this.options, false)();
    if (callback) return super.query(Object.assign(query, { callback }), values);
    const result = new Promise<pg.QueryResult>((resolve, reject) => {
      query.callback = (error, value) => (error ? reject(error) : resolve(value as pg.QueryResult));
    });
    this.#noteBusy(query);
    if (query instanceof ScopedQuery) {
      tellTurn(this.turn, query);
      endWhenStopped(this, query);
      raiseOnRefusal(query, this.options.onAlarm);
    }
    void super.query(query);
    return result;
  }

  #noteBusy(query: PgQuery): void {
    const done = query.callback;
    this.busySince = performance.now();
    query.callback = (error, result) => {
      this.busySince = 0;
      done(error, result);
    };
  }

  /** Gives the connection its prepared scopes, before anything else. A broken one fails its first real statement as well. */
  prepareScope(): void {
    const statements = new PreparedStatements(randomBytes(6).toString('base64url'));
    this.connection.statements = statements;
    this.query(new ScopePreparation(statements)).catch(() => undefined);
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

/** How long PostgreSQL may be silent beyond the time that it gives a statement. */
const SILENCE_MS = 5000;

/** How long a request to stop a statement may take on its way. */
const CANCEL_MS = 5000;

/** Tells the turns of a transaction's statement how it ends. @throws NoTurnError where it would only wait */
function tellTurn(turn: Turn | null, query: ScopedQuery): void {
  if (!turn) return;
  const step = turn.begin(query.text);
  const done = query.callback;
  query.callback = (error, result) => {
    turn.finish(step, outcomeOf(error));
    done(error, result);
  };
}

function outcomeOf(error: unknown): Outcome {
  if (!error) return 'answered';
  if (!(error instanceof pg.DatabaseError) || error.code === '57014') return 'cut off';
  if (error.code !== '55P03') return 'answered';
  // Of a row, PostgreSQL says which, in whatever language; unless others wait for the same row before this one.
  return /^[^\n]*\(\d+,\d+\)/.test(error.where ?? '') ? 'row locked' : 'locked';
}

/**
 * Asks PostgreSQL to stop a statement whose client went away. The answer is handed on only after the request has been
 * delivered, so that it can never hit the next statement on this connection.
 */
function endWhenStopped(client: ScopedClient, query: ScopedQuery): void {
  const stop = scopes.getStore()?.stop;
  const { target } = client.options;
  if (!stop) return;
  const { running, bound } = stop;
  // What a write answers with was written, and is never told as a failure; what a transaction reads, it needs.
  if (!client.turn && /^\s*select\b/i.test(query.text)) query.onRow = (bytes) => bound.count(bytes);
  if (!('url' in target)) return; // the embedded database cannot cancel
  const done = query.callback;
  let delivered: Promise<void> | undefined;
  const end = () => {
    if (client.activeQuery !== query) return;
    const canceller = new BaseClient({ connectionString: target.url });
    const { connection } = canceller;
    delivered = new Promise((resolve) => {
      // A server that does not answer must not keep this connection from being used again; it is dropped instead.
      const giveUp = setTimeout(() => {
        client.isLost = true;
        connection.stream.destroy();
      }, CANCEL_MS);
      connection.on('error', () => connection.stream.destroy());
      connection.once('end', () => {
        clearTimeout(giveUp);
        resolve();
      });
    });
    canceller.cancel(client, query);
  };
  query.onFailure = end; // of what is refused here, nothing more needs to come
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
  readonly #size: PoolSize;
  readonly #connections = new Set<ScopedClient>();
  readonly #endWatch: () => void;
  readonly #times = new AnswerTimes();
  readonly turns: Turns;
  readonly clock = new Clock();

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
    this.turns = new Turns(scope.poolSize, scope.onWait);
    this.#size = new PoolSize(
      this,
      (size) => this.turns.resize(size),
      (size) => scope.onPoolSize?.(size),
    );
    // The embedded database cannot be told to stop, and takes as long as it takes.
    this.#endWatch =
      'url' in target ? watchSilence(this.#connections, scope.statementTimeoutMs + SILENCE_MS) : () => undefined;
    this.on('connect', (client: ScopedClient) => {
      this.#connections.add(client);
      client.options = scope;
      client.watchLoss();
      if (scope.preparedStatements) client.prepareScope();
    });
    this.on('release', (_error: unknown, client: ScopedClient) => {
      if (client.isLost) void client.end(); // the pool drops what has ended
    });
    this.on('remove', (client: ScopedClient) => this.#connections.delete(client));
    this.on('error', () => undefined); // an idle connection broke; the pool has already dropped it
  }

  /** A connection for a transaction, once it is its organization's turn. */
  override async connect(): Promise<PgClient> {
    assertHoldsNone();
    const { hold, stop } = scopes.getStore() ?? {};
    const taken = this.#takeTurn(this.turns.transactionOf(stop?.purpose ?? ''));
    if (taken instanceof Promise) for (const tell of stop?.onWait ?? []) tell();
    const turn = await taken;
    try {
      const client = (await this.#size.take(() => super.connect())) as ScopedClient;
      const release = client.release.bind(client);
      client.turn = turn;
      if (hold) hold.client = client;
      client.release = (error) => {
        client.turn = null;
        if (hold) hold.client = null;
        release(error);
        turn.end();
      };
      return client;
    } catch (error) {
      turn.end();
      throw error;
    }
  }

  get statementTimeoutMs(): number {
    return this.scope.statementTimeoutMs;
  }

  override end(): Promise<void> {
    this.#endWatch();
    return super.end();
  }

  override query<Row extends pg.QueryResultRow>(config: OwnStatement): Promise<pg.QueryResult<Row>> {
    return this.#run(toQuery(config, this.scope, true), config.text);
  }

  /** Runs a statement of our own in the transaction that this is called in, on its connection. */
  async queryHeld(config: OwnStatement): Promise<pg.QueryResult> {
    const client = scopes.getStore()?.hold?.client;
    if (!client) throw new Error('a statement of a transaction was about to run outside it');
    return client.query(config);
  }

  /** Runs a statement as the login role itself, outside every frame: migrations, start-up checks and tests only. */
  queryAsLoginRole(text: string, values?: unknown[]): Promise<pg.QueryResult> {
    return this.#run(() => asLoginRole(text, values), text);
  }

  async #run(make: () => PgQuery, text: string): Promise<pg.QueryResult> {
    assertHoldsNone();
    const { stop } = scopes.getStore() ?? NOTHING;
    if (!stop) return this.#runInTurn(make, text);
    return stop.pending.run(() => {
      if (stop.isStopped) throw new ClientLeftError();
      return this.#runInTurn(make, text);
    });
  }

  async #runInTurn(make: () => PgQuery, text: string): Promise<pg.QueryResult> {
    const taken = this.#takeTurn(this.turns.kindOf(text));
    const turn = taken instanceof Promise ? await taken : taken;
    let client: PgClient | undefined;
    let failure: unknown = null;
    let timeOf: (() => number) | undefined;
    try {
      client = await this.#size.take(() => super.connect());
      timeOf = this.#times.begin();
      return await client.query(make());
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      const isLost = failure !== null && isBroken(failure);
      const outcome = client ? outcomeOf(failure) : 'cut off';
      client?.release(isLost);
      turn.end(outcome);
      const ms = timeOf?.();
      if (ms !== undefined && !isLost && !outcome.endsWith('locked')) this.#tellTime(ms);
    }
  }

  /** The embedded database has one connection for everyone, and so takes as long as the machine does. */
  #tellTime(ms: number): void {
    if ('url' in this.scope.target) scopes.getStore()?.stop?.onTime?.(ms);
  }

  /** Whoever waits has no connection yet, and leaves when nobody waits for them any more. */
  #takeTurn(work: Parameters<Turns['take']>[1]): Turn | Promise<Turn> {
    const { frame, stop } = scopes.getStore() ?? {};
    const running = stop?.running;
    const who = frame?.role === 'orgate_app' ? frame.orgId : DIRECTORY_LANE;
    return this.turns.take(who, work, running && ((leave) => (running.add(leave), () => running.delete(leave))));
  }
}

/**
 * The connection failed, not the statement; the pool drops such a connection. One that takes no writes leads to what is, or
 * was when it began, a standby, and stays so for as long as it lasts: after a failover the next one leads elsewhere.
 */
const isBroken = (error: unknown): boolean =>
  error instanceof pg.DatabaseError ? /^(57P0|08|25006|25P03)/.test(error.code ?? '') : !(error instanceof OrgateError);
