import { describe, type DirectoryUser, NOBODY } from '../../domains/scim-directory/directory-user.js';
import type { ProvisionedUser } from '../../domains/scim-directory/provision-user.js';
import { type Operation, text } from './operations.js';
import { SCIM, ScimError } from './protocol.js';

/** A user as directories read it. */
export function userResource({ row, membership }: ProvisionedUser, base: string) {
  const user = describe(row, membership);
  const name = { formatted: user.formattedName, givenName: user.givenName, familyName: user.familyName };
  return {
    schemas: [SCIM.user],
    id: row.id,
    ...(user.externalId !== null && { externalId: user.externalId }),
    userName: user.userName,
    ...(user.displayName !== null && { displayName: user.displayName }),
    ...(Object.values(name).some((each) => each !== null) && {
      name: Object.fromEntries(Object.entries(name).filter(([, each]) => each !== null)),
    }),
    emails: [{ value: membership.email, type: 'work', primary: true }],
    active: user.active,
    meta: {
      resourceType: 'User',
      created: row.createdAt,
      lastModified: row.updatedAt,
      location: `${base}/Users/${row.id}`,
    },
  };
}

/** What a whole resource says of a user. What it leaves out is not said of them, but nobody becomes active by silence. */
export const readUser = (operations: readonly Operation[], { active }: DirectoryUser = NOBODY): DirectoryUser =>
  applyToUser({ ...NOBODY, active }, operations);

/** Attributes that have no meaning here are passed over, as RFC 7644 has it for those a provider does not know. */
export function applyToUser(before: DirectoryUser, operations: readonly Operation[]): DirectoryUser {
  const after: { -readonly [K in keyof DirectoryUser]: DirectoryUser[K] } = { ...before };
  for (const { kind, name, value } of operations) {
    const given = kind === 'remove' ? null : value;
    if (name === 'username') after.userName = text(given, 'userName') ?? '';
    else if (name === 'externalid') after.externalId = text(given, 'externalId');
    else if (name === 'displayname') after.displayName = text(given, 'displayName');
    else if (name === 'name.formatted') after.formattedName = text(given, 'name.formatted');
    else if (name === 'name.givenname') after.givenName = text(given, 'name.givenName');
    else if (name === 'name.familyname') after.familyName = text(given, 'name.familyName');
    else if (name === 'emails.value') after.email = text(given, 'emails');
    else if (name === 'emails') after.email = given === null ? null : chooseEmail(given);
    else if (name === 'active' && kind !== 'remove') after.active = truth(given);
  }
  return after;
}

/** The primary address, or the one for work, or the first. */
function chooseEmail(value: unknown): string | null {
  const emails = (Array.isArray(value) ? value : [value]) as ({
    value?: unknown;
    type?: unknown;
    primary?: unknown;
  } | null)[];
  const chosen =
    emails.find((each) => each?.primary === true) ?? emails.find((each) => each?.type === 'work') ?? emails[0];
  return text(chosen?.value ?? null, 'emails');
}

/** Entra ID sends truth values as "True" and "False". */
function truth(value: unknown): boolean {
  const said = typeof value === 'string' ? value.toLowerCase() : value;
  if (said === true || said === 'true') return true;
  if (said === false || said === 'false') return false;
  throw new ScimError('invalidValue', 'active: Must be true or false.');
}
