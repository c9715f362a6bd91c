import type { OrgId } from '../id.js';

/**
 * For whom a statement runs. Every statement of the gateway runs in exactly one frame: inside one organization, or as
 * the directory, which stands outside all of them.
 */
export type Frame = { readonly role: 'orgate_app'; readonly orgId: OrgId } | { readonly role: 'orgate_directory' };
