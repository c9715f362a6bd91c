import { part } from '../parts.js';
import { type Seal, SealError } from './seal.js';

/**
 * Seals places in a record, for whoever may go on behind one and not know how many there are. Any replica opens them, for as long as it
 * has the secret key; nobody else makes one.
 */
export interface SealedPlaces {
  /** Different each time, and of one length: two of them tell nothing, not even whether they are the same. */
  seal(orgId: string, place: number): Promise<string>;
  /** Null for what was not sealed here, and of this organization. */
  open(orgId: string, sealed: string): Promise<number | null>;
}

export const SEALED_PLACES = part<SealedPlaces>('sealed places');

const purposeOf = (orgId: string): string => `place/${orgId}`;

/** As many digits as the largest has. */
const DIGITS = String(Number.MAX_SAFE_INTEGER).length;

export const createSealedPlaces = (secretKeys: Seal): SealedPlaces => ({
  seal: (orgId, place) => secretKeys.seal(String(place).padStart(DIGITS, '0'), purposeOf(orgId)),

  async open(orgId, sealed) {
    try {
      return Number(await secretKeys.open(sealed, purposeOf(orgId)));
    } catch (error) {
      if (error instanceof SealError) return null;
      throw error;
    }
  },
});
