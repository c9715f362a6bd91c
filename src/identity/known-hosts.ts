import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { hashSecret } from '../secrets/secret.js';

/** A host, of the organization that it leads to now: where it leads to another, nobody knows it. */
export interface Place {
  readonly host: string;
  readonly orgId: string;
}

/** Where people said once that they sign in. */
export interface KnownHosts {
  isKnown(personId: string, place: Place): Promise<boolean>;
  remember(personId: string, place: Place): Promise<void>;
}

const hashOf = ({ host, orgId }: Place): string => hashSecret(`${orgId}/${host}`);

export function openKnownHosts(pool: ScopedPool): KnownHosts {
  const query = createDirectoryQuery(pool);
  return {
    async isKnown(personId, place) {
      const text = 'select person_id from known_host where person_id = $1 and place_hash = $2';
      return (await query(text, [personId, hashOf(place)])).length > 0;
    },
    async remember(personId, place) {
      await query(`insert into known_host (person_id, place_hash) values ($1, $2) on conflict do nothing`, [
        personId,
        hashOf(place),
      ]);
    },
  };
}
