import type { Viewer } from '../../context/viewer.js';
import type { Person } from '../../identity/person.js';

export type ViewerParent = Viewer;

/** A person: as the organization knows them inside one, as they call themselves in `viewer`. */
export interface UserParent {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  /** Whether the current organization knows them as a member: the address of one is for whoever may read its members. */
  readonly isMember: boolean;
}

export const personUser = ({ id, name, email }: Pick<Person, 'id' | 'name' | 'email'>): UserParent => ({
  id,
  name,
  email,
  isMember: false,
});
