import type pg from 'pg';
import type { Frame } from './frame.js';
import { type OwnStatement, Statement, type Wire } from './statement.js';

/** How long a statement waits for a lock, where nothing else is said. */
const LOCK_TIMEOUT_MS = 2000;

// `where` rather than a row: the answer is one message shorter.
const SET_SCOPE = `select where set_config('role', $1, true) is null or set_config('app.org_id', $2, true) is null
  or set_config('statement_timeout', $3, true) is null or set_config('lock_timeout', $4, true) is null
  or set_config('app.act', $5, true) is null`;

/** Prepares the statement that sets the scope, before any other. */
export const scopeStatement = (name: string): pg.QueryConfig => ({
  name,
  text: SET_SCOPE,
  values: ['none', '', '0', '0', ''],
});

/**
 * One statement that carries its frame with it: role, organization, time limits and who acts are set and the statement is run in
 * ONE extended-protocol batch with ONE Sync. PostgreSQL treats such a batch as one implicit transaction, so it costs no
 * extra round trip, and nothing is left on the connection, not even after an error.
 */
export class ScopedQuery extends Statement {
  readonly #scope: readonly string[];
  #scopeAnswered = false;

  constructor(
    config: OwnStatement,
    readonly frame: Frame,
    { statementTimeoutMs, lockTimeoutMs = LOCK_TIMEOUT_MS }: { statementTimeoutMs: number; lockTimeoutMs?: number },
  ) {
    super(config);
    const orgId = frame.role === 'orgate_directory' ? '' : frame.orgId;
    const act = frame.act ? JSON.stringify(frame.act) : '';
    this.#scope = [frame.role, orgId, String(statementTimeoutMs), String(lockTimeoutMs), act];
  }

  protected override write(connection: Wire): void {
    const { statements } = connection;
    if (!statements) connection.parse({ text: SET_SCOPE });
    connection.bind({ statement: statements?.scope, values: this.#scope });
    connection.execute({});
    super.write(connection);
  }

  /** The scope's own completion comes first and is not the caller's. */
  override handleCommandComplete(message: { text: string }): void {
    if (this.#scopeAnswered) super.handleCommandComplete(message);
    else this.#scopeAnswered = true;
  }
}
