import type { OrgId } from '../id.js';
import type { Act } from './act.js';

/**
 * For whom a statement runs. Every statement of the gateway runs in exactly one frame: inside one organization, as the
 * directory, which stands outside all of them, as the sealer of one record ('' is the deployment's), or as what deletes one
 * organization whose grace is over.
 */
export type Frame = (
  | { readonly role: 'orgate_app'; readonly orgId: OrgId }
  | { readonly role: 'orgate_directory' }
  | { readonly role: 'orgate_sealer'; readonly orgId: OrgId | '' }
  | { readonly role: 'orgate_purger'; readonly orgId: OrgId }
) & {
  /** Who makes the changes; without, PostgreSQL refuses any that is recorded. */
  readonly act?: Act;
};
