import { Resolver } from 'node:dns/promises';
import { part } from '../parts.js';
import { codeOf } from '../thrown.js';

/** The TXT records of a name, or why there are none. */
export interface TxtAnswer {
  /** Each record as one text, whatever pieces it was sent in. */
  readonly found: readonly string[];
  readonly problem: 'NO_SUCH_NAME' | 'NO_TXT_RECORD' | 'SERVER_FAILURE' | 'TIMEOUT' | null;
}

export type FindTxt = (name: string) => Promise<TxtAnswer>;

/** Asks the DNS for what proves a domain. */
export const FIND_TXT = part<FindTxt>('DNS');

const TRY_MS = 2000;
const TRIES = 3;
const DEADLINE_MS = 10_000;

const PROBLEMS: Readonly<Record<string, NonNullable<TxtAnswer['problem']>>> = {
  ENOTFOUND: 'NO_SUCH_NAME',
  ENODATA: 'NO_TXT_RECORD',
  ETIMEOUT: 'TIMEOUT',
  ECANCELLED: 'TIMEOUT',
};

/**
 * Asks name servers, past every cache of the machine's own. Aliases (CNAME) are followed by the server that is asked.
 *
 * @param servers addresses, each with a port if it is not 53; those of the machine when empty
 */
export function createFindTxt(servers: readonly string[]): FindTxt {
  return async (name) => {
    const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
    if (servers.length > 0) resolver.setServers(servers);
    const deadline = setTimeout(() => resolver.cancel(), DEADLINE_MS);
    try {
      return { found: (await resolver.resolveTxt(name)).map(toText), problem: null };
    } catch (error) {
      return { found: [], problem: PROBLEMS[codeOf(error)] ?? 'SERVER_FAILURE' };
    } finally {
      clearTimeout(deadline);
    }
  };
}

/** Node reads each byte as a character of its own; people write UTF-8. */
const toText = (pieces: readonly string[]): string => Buffer.from(pieces.join(''), 'latin1').toString();
