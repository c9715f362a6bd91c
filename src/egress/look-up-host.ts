import { Resolver } from 'node:dns/promises';
import { part } from '../parts.js';
import { codeOf } from '../thrown.js';

/** Where the DNS sends whoever asks for a host. */
export interface HostAnswer {
  /** The name that it is an alias of, in lower case; null where it is none. */
  readonly alias: string | null;
  readonly addresses: readonly string[];
  /** False where a name server failed, or said nothing in time: then nothing is known. */
  readonly isAnswered: boolean;
}

export type LookUpHost = (name: string) => Promise<HostAnswer>;

/** Asks the DNS where a host leads. */
export const LOOK_UP_HOST = part<LookUpHost>('DNS of hosts');

const TRY_MS = 1500;
const TRIES = 2;
const DEADLINE_MS = 5000;
/** At once, for everybody together. Of more, nothing is known: nobody waits in line behind name servers that are silent. */
const AT_ONCE = 50;

const UNKNOWN: HostAnswer = { alias: null, addresses: [], isAnswered: false };
const NONE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

/**
 * Asks name servers, past every cache of the machine's own.
 *
 * @param servers addresses, each with a port if it is not 53; those of the machine when empty
 */
export function createLookUpHost(servers: readonly string[]): LookUpHost {
  let asking = 0;
  return async (name) => {
    if (asking >= AT_ONCE) return UNKNOWN;
    asking += 1;
    const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
    const deadline = setTimeout(() => resolver.cancel(), DEADLINE_MS);
    const orNone = (error: unknown): string[] => {
      if (NONE.has(codeOf(error))) return [];
      throw error;
    };
    try {
      if (servers.length > 0) resolver.setServers(servers);
      const [aliases, ...addresses] = await Promise.all([
        resolver.resolveCname(name).catch(orNone),
        resolver.resolve4(name).catch(orNone),
        resolver.resolve6(name).catch(orNone),
      ]);
      const alias = aliases[0]?.toLowerCase().replace(/\.$/, '') ?? null;
      return { alias, addresses: addresses.flat(), isAnswered: true };
    } catch {
      return UNKNOWN;
    } finally {
      clearTimeout(deadline);
      asking -= 1;
    }
  };
}
