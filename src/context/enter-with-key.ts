import { timingSafeEqual } from 'node:crypto';
import { openApiKeys } from '../identity/api-keys.js';
import type { KeyCredential } from './authenticate.js';
import { CATALOGUE, type Deployment } from './deployment.js';
import { type Entered, toCurrent } from './enter-organization.js';
import { conflictingNames } from './conflicting-names.js';
import { isNameOf } from './hosts.js';
import { refuseKey } from './refused-key.js';
import type { NamedOrganization } from './resolve-organization.js';

/** The hash of no key; compared with when there is none, so that both cases take the same work. */
const NO_HASH = Buffer.alloc(32).toString('base64url');

/**
 * From a well-formed key to the organization it belongs to, with what of its permissions its owner holds now; read live
 * in one round trip.
 *
 * @throws UNAUTHENTICATED for a key that is not, no longer or not yet anyone's; ORG_CONTEXT_CONFLICT when the host or a header names
 *   anything but the key's organization, whether or not there is such a thing
 */
export async function enterWithKey(
  { outside, use }: Pick<Deployment, 'outside' | 'use'>,
  { id, hash }: KeyCredential,
  named: readonly NamedOrganization[],
): Promise<Entered> {
  const catalogue = use(CATALOGUE);
  const apiKeys = outside(openApiKeys);
  const key = await apiKeys.find(id);
  const isRight = timingSafeEqual(Buffer.from(key?.secretHash ?? NO_HASH), Buffer.from(hash));
  if (!key || !isRight) throw refuseKey(id, key ? 'WRONG_SECRET' : 'UNKNOWN');
  if (key.fault !== null) throw refuseKey(id, key.fault);
  const { organization, role, granted, withheld } = key.membership;
  for (const each of named) {
    if (!(await isNameOf(each, key.membership, outside))) throw conflictingNames({ apiKey: id });
  }
  apiKeys.noteUse(key);
  const assignment = catalogue.ofKey({ role, granted, withheld }, key.permissions);
  return {
    viewer: {
      person: null,
      apiKey: {
        id: key.id,
        name: key.name,
        isOfServiceAccount: key.isOfServiceAccount,
        owner: { role, granted, withheld },
      },
      impersonation: null,
      executor: null,
      claim: null,
      session: {
        id: null,
        boundOrgId: organization.id,
        lastUsedAt: key.lastUsedAt,
        startedAt: null,
        expiresAt: Math.floor(key.expiresAt.getTime() / 1000),
        renewable: false,
      },
    },
    current: toCurrent(catalogue, { ...key.membership, ...assignment }, 'API_KEY', true),
  };
}
