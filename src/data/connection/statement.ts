import pg from 'pg';
import { prepareValue } from 'pg/lib/utils.js';
import { asError } from '../../thrown.js';

/** Texts with a list of ids differ by its length; past this many a statement goes unnamed, and is parsed each time. */
const MAX_NAMED_STATEMENTS = 400;

/** The parts of pg's own connection that a statement needs and pg's types leave out. */
export interface Wire extends NodeJS.EventEmitter {
  readonly stream: { cork(): void; uncork(): void; destroy(): void };
  /** Texts of the statements that PostgreSQL holds for this connection, by name. Kept by pg's client. */
  readonly parsedStatements: Readonly<Record<string, string>>;
  parse(message: { text: string; name?: string | undefined }): void;
  bind(message: { statement?: string | undefined; values: readonly unknown[] }): void;
  describe(message: { type: 'P' }): void;
  execute(message: object): void;
  sync(): void;
  sendCopyFail(reason: string): void;
  /** Ours, for connections that keep prepared statements. */
  statements?: PreparedStatements;
}

/** The statements that one connection has prepared. */
export class PreparedStatements {
  readonly #byText = new Map<string, Prepared>();
  readonly scope: string;
  readonly actingScope: string;
  readonly readingScope: string;
  readonly indexScope: string;

  /** @param prefix of its own for every connection: those of an embedded database share one backend, and its names */
  constructor(private readonly prefix: string) {
    this.scope = `${prefix}scope`;
    this.actingScope = `${prefix}acting`;
    this.readingScope = `${prefix}reading`;
    this.indexScope = `${prefix}index`;
  }

  /** Null when there are too many already. */
  of(text: string): Prepared | null {
    let prepared = this.#byText.get(text);
    if (prepared || this.#byText.size >= MAX_NAMED_STATEMENTS) return prepared ?? null;
    prepared = { name: `${this.prefix}${this.#byText.size}`, shape: null };
    this.#byText.set(text, prepared);
    return prepared;
  }
}

interface Prepared {
  readonly name: string;
  /** Of the rows it answers, once PostgreSQL has told. A prepared statement's never change. */
  shape: RowShape | null;
}

/** How the texts of a row become a row: an object, or a list of values where that is asked for. */
class RowShape {
  readonly #parsers: readonly ((text: string) => unknown)[];
  #empty: Readonly<Record<string, null>> | undefined;

  constructor(
    readonly fields: readonly pg.FieldDef[],
    readonly types: pg.CustomTypesConfig,
  ) {
    this.#parsers = fields.map(({ dataTypeID }) => types.getTypeParser(dataTypeID, 'text'));
  }

  object(texts: readonly (string | null)[]): Record<string, unknown> {
    const { fields } = this;
    // Copied, so that all rows have the same properties in the same order, which the engine reads faster.
    this.#empty ??= Object.fromEntries(fields.map(({ name }) => [name, null]));
    const row: Record<string, unknown> = { ...this.#empty };
    for (let index = 0; index < fields.length; index += 1) {
      const text = texts[index];
      if (text != null) row[(fields[index] as pg.FieldDef).name] = this.#parsers[index]?.(text);
    }
    return row;
  }

  list(texts: readonly (string | null)[]): unknown[] {
    return texts.map((text, index) => (text === null ? null : this.#parsers[index]?.(text)));
  }
}

export type Callback = (error: Error | null, result?: pg.QueryResult) => void;

/**
 * A statement that is prepared is soon planned for any values, as if each were as frequent as the next. Filters of which
 * one finds half of all rows, and all together none, are planned for their own values, each time.
 */
export interface Planning {
  readonly isPlannedAnew?: boolean | undefined;
  /**
   * Planned once, and by an index. What waits in a table that is next to empty now, and long a minute later, would else be planned for
   * reading all of it, until PostgreSQL notices.
   */
  readonly isPlannedByIndex?: boolean | undefined;
}

/** What a statement is made of. */
export type OwnStatement = pg.QueryConfig & Planning & { readonly rowMode?: 'array' };

/**
 * One statement with its values. PostgreSQL reads it once for each connection, and tells once what its rows are made of;
 * pg's own query asks for that every time, which takes as long as reading a row.
 *
 * pg hands its connection to whatever has `submit`, and then what PostgreSQL answers to the methods below.
 */
export class Statement {
  callback: Callback = () => undefined;
  /** Told of each row as it comes, with its bytes; what it throws is the statement's failure. */
  onRow: (bytes: number) => void = () => undefined;
  /** Told when the statement has failed here, while PostgreSQL is still at it. */
  onFailure: () => void = () => undefined;
  name: string | undefined;
  readonly text: string;
  readonly #values: readonly unknown[];
  readonly #types: pg.CustomTypesConfig;
  readonly #isList: boolean;
  readonly #isPlannedAnew: boolean;
  #prepared: Prepared | null = null;
  #shape: RowShape | null = null;
  readonly #rows: unknown[] = [];
  #rowCount: number | null = null;
  #failure: Error | null = null;

  constructor({ text, values = [], types = pg.types, rowMode, isPlannedAnew = false }: OwnStatement) {
    this.text = text;
    this.#values = (values as unknown[]).map((value) => prepareValue(value));
    this.#types = types;
    this.#isList = rowMode === 'array';
    this.#isPlannedAnew = isPlannedAnew;
  }

  submit(connection: Wire): void {
    connection.stream.cork();
    this.write(connection);
    connection.sync();
    connection.stream.uncork();
  }

  protected write(connection: Wire): void {
    this.#prepared = this.#isPlannedAnew ? null : (connection.statements?.of(this.text) ?? null);
    this.name = this.#prepared?.name;
    const known = this.#prepared?.shape;
    if (known) this.#shape = known.types === this.#types ? known : new RowShape(known.fields, this.#types);
    if (this.name === undefined || connection.parsedStatements[this.name] === undefined) {
      connection.parse({ text: this.text, name: this.name });
    }
    connection.bind({ statement: this.name, values: this.#values });
    if (!known) connection.describe({ type: 'P' });
    connection.execute({});
  }

  handleRowDescription({ fields }: { fields: pg.FieldDef[] }): void {
    this.#shape = new RowShape(fields, this.#types);
    if (this.#prepared) this.#prepared.shape = this.#shape;
  }

  handleDataRow({ fields: texts, length }: { fields: readonly (string | null)[]; length: number }): void {
    const shape = this.#shape;
    if (!shape || this.#failure) return;
    try {
      this.onRow(length);
      this.#rows.push(this.#isList ? shape.list(texts) : shape.object(texts));
    } catch (error) {
      this.#failure = asError(error);
      this.#rows.length = 0;
      this.onFailure();
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    const count = Number(text.slice(text.lastIndexOf(' ') + 1));
    this.#rowCount = Number.isNaN(count) ? null : count;
  }

  handleReadyForQuery(): void {
    if (this.#failure) return this.callback(this.#failure);
    const result = { rows: this.#rows, fields: this.#shape?.fields ?? [], rowCount: this.#rowCount };
    return this.callback(null, result as unknown as pg.QueryResult);
  }

  handleError(error: Error): void {
    this.callback(this.#failure ?? error);
  }

  handleCopyInResponse(connection: Wire): void {
    connection.sendCopyFail('nothing is copied');
  }

  handleCopyData(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}
