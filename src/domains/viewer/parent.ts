import type { Viewer } from '../../context/viewer.js';
import type { Person } from '../../identity/person.js';

export type ViewerParent = Viewer;

/** A person: as the organization knows them inside one, as they call themselves in `viewer`. */
export interface UserParent {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}

export const personUser = ({ id, name, email }: Person): UserParent => ({ id, name, email });
