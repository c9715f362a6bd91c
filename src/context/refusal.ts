import type { Act } from '../data/connection/act.js';
import type { OrgId } from '../data/id.js';
import { OrgateError } from '../errors.js';
import { part } from '../parts.js';

/** A mutation by its name, something that was to be read by the permission that it needs, or an action of the record. */
export type Tried = { readonly mutation: string } | { readonly permission: string } | { readonly action: string };

/** What somebody tried in an organization that they are in, and was refused. */
export interface Refusal {
  readonly orgId: OrgId;
  readonly act: Act;
  readonly tried: Tried;
  readonly error: OrgateError;
}

/** Takes note of refusals, at once and without fail; they are written later, and not each. */
export interface NoteRefusals {
  note(refusal: Refusal): void;
}

export const REFUSALS = part<NoteRefusals>('notes of refusals');

const CODES: ReadonlySet<string> = new Set(['FORBIDDEN', 'ROLE_ESCALATION', 'LAST_OWNER', 'READ_ONLY']);

/** Whether somebody who is known was told that they may not. */
export const isRefusal = (error: unknown): error is OrgateError =>
  error instanceof OrgateError && CODES.has(error.code);
