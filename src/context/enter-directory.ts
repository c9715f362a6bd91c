import { timingSafeEqual } from 'node:crypto';
import type { Outside } from '../data/connection/outside.js';
import type { OrgId } from '../data/id.js';
import { OrgateError } from '../errors.js';
import type { OrganizationStatus } from '../generated/enums.js';
import { openScimDirectories } from '../identity/scim-directories.js';
import { readScimToken } from '../secrets/scim-token.js';

/** A directory of people, whose token was checked in this request. It acts in its own organization and knows no other. */
export interface EnteredDirectory {
  readonly orgId: OrgId;
  readonly directoryId: string;
  /** Of the token. */
  readonly tokenHash: string;
  readonly organizationStatus: OrganizationStatus;
  readonly lastUsedAt: Date | null;
}

/**
 * From a bearer token to the directory it was made for, read live in one statement, the same for one that never was.
 *
 * @throws UNAUTHENTICATED; without any statement for what has not the form of a token
 */
export async function enterDirectory(outside: Outside, authorization: string | undefined): Promise<EnteredDirectory> {
  const [, text = ''] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  const token = readScimToken(text);
  if (!token) throw new OrgateError('UNAUTHENTICATED');
  const found = await outside(openScimDirectories).find(token.directoryId);
  const isTheirs = timingSafeEqual(Buffer.from(found?.tokenHash ?? NO_HASH), Buffer.from(token.hash));
  if (!found || !isTheirs) throw new OrgateError('UNAUTHENTICATED');
  return {
    orgId: found.orgId,
    directoryId: token.directoryId,
    tokenHash: token.hash,
    organizationStatus: found.organizationStatus,
    lastUsedAt: found.lastUsedAt,
  };
}

/** As long as a hash, and none. */
const NO_HASH = '-'.repeat(43);
