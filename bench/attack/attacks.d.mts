/** One request, or one connection. To /graphql unless it names a path. */
export interface Shot {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
  /** What is written to the socket as it is, in place of a request. */
  readonly bytes?: string;
  /** What is written at once; a byte a second follows while the server lets it, or nothing where this is empty. */
  readonly drip?: string;
  /** What comes next, where the answer sends the browser elsewhere. */
  follow?(location: string): Shot;
}

export interface Attack {
  readonly name: string;
  /** Who sends it: someone who is not signed in, or a VIEWER of an organization of their own. */
  readonly by: readonly ('stranger' | 'viewer')[];
  /** How many kinds of it there are, told apart by the number; one when left out. */
  readonly variants?: number;
  /** Whether there is nothing in it that deserves an answer. */
  readonly refused: boolean;
  /** Whether it keeps a connection open for as long as the server lets it. */
  readonly holds?: boolean;
  /** What is sent at once. The number is one that no other call is given; it stands in names. */
  make(n: number): readonly Shot[];
}

/** The id that a SAML provider has to have where it is to be attacked. */
export const ATTACKED_PROVIDER: string;

export const ATTACKS: readonly Attack[];
