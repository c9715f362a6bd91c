import pg from 'pg';
import type { ActorAsRead } from './act.js';
import type { Frame } from './frame.js';
import { type OwnStatement, type PreparedStatements, Statement, type Wire } from './statement.js';

/** How long a statement waits for a lock, where nothing else is said. */
const LOCK_TIMEOUT_MS = 2000;

/** What is set before a statement, in the order of their names here. */
interface Settings {
  readonly text: string;
  /** Of the prepared statement that sets them. */
  readonly name: 'scope' | 'actingScope' | 'readingScope' | 'indexScope';
}

// `where` rather than a row: the answer is one message shorter.
const SCOPE = `select where set_config('role', $1, true) is null or set_config('app.org_id', $2, true) is null
  or set_config('statement_timeout', $3, true) is null or set_config('lock_timeout', $4, true) is null`;
const ASKING: Settings = { name: 'scope', text: SCOPE };
const ACTING: Settings = { name: 'actingScope', text: `${SCOPE} or set_config('app.act', $5, true) is null` };
const BY_INDEX: Settings = {
  name: 'indexScope',
  text: `${ACTING.text} or set_config('enable_seqscan', 'off', true) is null
  or set_config('plan_cache_mode', 'force_generic_plan', true) is null or set_config('jit', 'off', true) is null`,
};
const READING_ONLY: Settings = {
  name: 'readingScope',
  text: `${SCOPE} or set_config('transaction_read_only', 'on', true) is null`,
};

/** What a change is refused with that was tried where nothing may be changed; of a standby it is PostgreSQL's own 25006. */
export const READ_ONLY_STATE = 'OG004';

/** What a change is refused with whose actor is not as they were read. */
export const ACTOR_CHANGED_STATE = 'OG005';

/** Prepares the statements that set the scope, before any other. */
export class ScopePreparation extends Statement {
  constructor(private readonly statements: PreparedStatements) {
    super({ text: '' });
  }

  protected override write(connection: Wire): void {
    for (const { name, text } of [ASKING, ACTING, READING_ONLY, BY_INDEX])
      connection.parse({ text, name: this.statements[name] });
  }
}

export interface Scoping {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs?: number;
  /**
   * Whether it only reads, and is alone in its transaction: then nobody needs to be told who acts. Whatever else there is sets that
   * anew, or empties it, so that nothing runs under what an earlier statement of the transaction has set.
   */
  readonly isRead: boolean;
  /** Whether PostgreSQL is to refuse whatever it would change. */
  readonly isReadOnly: boolean;
  /** Whoever acts, where the statement itself is to look whether they are so yet. */
  readonly asRead?: ActorAsRead | undefined;
}

/**
 * One statement that carries its frame with it: role, organization, time limits and, of a change, who acts are set and the statement
 * is run in ONE extended-protocol batch with ONE Sync. PostgreSQL treats such a batch as one implicit transaction, so it costs
 * no extra round trip, and nothing is left on the connection, not even after an error.
 */
export class ScopedQuery extends Statement {
  readonly #settings: Settings;
  readonly #scope: readonly string[];
  #scopeAnswered = false;

  constructor(
    config: OwnStatement,
    readonly frame: Frame,
    { statementTimeoutMs, lockTimeoutMs = LOCK_TIMEOUT_MS, isRead, isReadOnly, asRead }: Scoping,
  ) {
    super(config);
    const orgId = frame.role === 'orgate_directory' ? '' : frame.orgId;
    const scope = [frame.role, orgId, String(statementTimeoutMs), String(lockTimeoutMs)];
    this.#settings = isReadOnly ? READING_ONLY : config.isPlannedByIndex ? BY_INDEX : isRead ? ASKING : ACTING;
    if (this.#settings === ACTING || this.#settings === BY_INDEX)
      scope.push(frame.act ? JSON.stringify({ ...frame.act, asRead }) : '');
    this.#scope = scope;
  }

  protected override write(connection: Wire): void {
    const { statements } = connection;
    if (!statements) connection.parse({ text: this.#settings.text });
    connection.bind({ statement: statements?.[this.#settings.name], values: this.#scope });
    connection.execute({});
    super.write(connection);
  }

  /** The scope's own completion comes first and is not the caller's. */
  override handleCommandComplete(message: { text: string }): void {
    if (this.#scopeAnswered) super.handleCommandComplete(message);
    else this.#scopeAnswered = true;
  }
  /** A connection that leads to a standby says the same of every change, and is dropped; this one is as good as before. */
  override handleError(error: Error): void {
    const isRefused = this.#settings === READING_ONLY && error instanceof pg.DatabaseError && error.code === '25006';
    if (isRefused) error.code = READ_ONLY_STATE;
    super.handleError(error);
  }
}
