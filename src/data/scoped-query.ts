import type pg from 'pg';
import type { Frame } from './org-connection.js';
import { Statement, type Wire } from './statement.js';

// `where` rather than a row: the answer is one message shorter.
const SET_SCOPE = `select where set_config('role', $1, true) is null or set_config('app.org_id', $2, true) is null
  or set_config('statement_timeout', $3, true) is null`;

/** Prepares the statement that sets the scope, before any other. */
export const scopeStatement = (name: string): pg.QueryConfig => ({ name, text: SET_SCOPE, values: ['none', '', '0'] });

/**
 * One statement that carries its frame with it: role, organization and time limit are set and the statement is run in
 * ONE extended-protocol batch with ONE Sync. PostgreSQL treats such a batch as one implicit transaction, so it costs no
 * extra round trip, and nothing is left on the connection, not even after an error.
 */
export class ScopedQuery extends Statement {
  readonly #scope: readonly string[];
  #scopeAnswered = false;

  constructor(
    config: pg.QueryConfig,
    readonly frame: Frame,
    statementTimeoutMs: number,
  ) {
    super(config);
    this.#scope = [frame.role, frame.role === 'orgate_app' ? frame.orgId : '', String(statementTimeoutMs)];
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
