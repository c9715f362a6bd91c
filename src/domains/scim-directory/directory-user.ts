import { z } from 'zod';
import type { Row } from '../../data/organization/table.js';
import { nameOfEmail } from '../../dns-name.js';
import { badInput } from '../../errors.js';
import { emailText, nameText } from '../../resource/input.js';

const text = z.string().trim().max(255, 'At most 255 characters.').nullable();

/** How a directory describes one of its people: what it sent, of that which has a meaning here. */
const described = z.object({
  /** Unique within the directory, whatever the case. */
  userName: z.string('Is needed.').trim().min(1, 'Is needed.').max(255, 'At most 255 characters.'),
  externalId: text,
  displayName: text,
  formattedName: text,
  givenName: text,
  familyName: text,
  /** Null where only the user name says it. */
  email: emailText.nullable(),
  active: z.boolean('Must be true or false.'),
});
export type DirectoryUser = Readonly<z.output<typeof described>>;

/** What a directory that says nothing says. */
export const NOBODY: DirectoryUser = {
  userName: '',
  externalId: null,
  displayName: null,
  formattedName: null,
  givenName: null,
  familyName: null,
  email: null,
  active: true,
};

export type UserMembership = Row<'Membership'>;

/** As it is now: whether they are active is for the membership to say, which people of the organization may end too. */
export function describe(row: Row<'ScimUser'>, membership: UserMembership): DirectoryUser {
  const attributes = row.attributes as Omit<DirectoryUser, 'active' | 'externalId'>;
  return { ...NOBODY, ...attributes, externalId: row.externalId, active: membership.status === 'ACTIVE' };
}

/** What is kept of a description that was checked, and what the organization will know of the person. */
export function keep(user: DirectoryUser) {
  const checked = described.safeParse(user);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw badInput(String(issue?.path[0] ?? 'user'), issue?.message ?? 'Not valid.');
  }
  const { active, externalId, ...attributes } = checked.data;
  const email = attributes.email ?? emailText.safeParse(attributes.userName).data;
  if (!email) throw badInput('emails', 'A user has an e-mail address, in emails or as userName.');
  return {
    active,
    row: { userName: attributes.userName.toLowerCase(), externalId, attributes },
    member: { email, name: nameOf(checked.data) ?? nameOfEmail(email) },
  };
}

const nameOf = ({ displayName, formattedName, givenName, familyName }: DirectoryUser): string | undefined =>
  [displayName, formattedName, [givenName, familyName].filter(Boolean).join(' ')]
    .map((name) => nameText.safeParse(name?.slice(0, 100)).data)
    .find((name) => name !== undefined);
