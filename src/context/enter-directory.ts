import { timingSafeEqual } from 'node:crypto';
import type { Outside } from '../data/connection/outside.js';
import type { OrgId } from '../data/id.js';
import { OrgateError } from '../errors.js';
import type { OrganizationStatus } from '../generated/enums.js';
import { openScimDirectories } from '../identity/scim-directories.js';
import { conflictingNames } from './conflicting-names.js';
import { findHosted } from './hosts.js';
import { readScimToken } from '../secrets/scim-token.js';

/** A directory of people, whose token was checked in this request. It acts in its own organization and knows no other. */
export interface EnteredDirectory {
  readonly orgId: OrgId;
  readonly directoryId: string;
  readonly name: string;
  /** Of the token. */
  readonly tokenHash: string;
  readonly organizationStatus: OrganizationStatus;
  readonly lastUsedAt: Date | null;
}

export const refuseDirectory = (): OrgateError =>
  new OrgateError('UNAUTHENTICATED', 'Send the token of a directory as bearer token.');

/**
 * From a bearer token to the directory it was made for, read live in one statement, the same for one that never was.
 *
 * @param host what the host of the request names, if anything
 * @throws ORG_CONTEXT_CONFLICT where that is not the directory's organization, whoever's it is; UNAUTHENTICATED; without any statement for what has not the form of a token
 */
export async function enterDirectory(
  outside: Outside,
  authorization: string | undefined,
  host: string | null,
): Promise<EnteredDirectory> {
  const [, text = ''] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  const token = readScimToken(text);
  if (!token) throw refuseDirectory();
  const found = await outside(openScimDirectories).find(token.directoryId);
  const isTheirs = timingSafeEqual(Buffer.from(found?.tokenHash ?? NO_HASH), Buffer.from(token.hash));
  if (!found || !isTheirs) throw refuseDirectory();
  const isConflict = host !== null && (await findHosted(outside, host))?.orgId !== found.orgId;
  if (isConflict) throw conflictingNames({ directory: token.directoryId });
  return {
    orgId: found.orgId,
    directoryId: token.directoryId,
    name: found.name,
    tokenHash: token.hash,
    organizationStatus: found.organizationStatus,
    lastUsedAt: found.lastUsedAt,
  };
}

/** As long as a hash, and none. */
const NO_HASH = '-'.repeat(43);
