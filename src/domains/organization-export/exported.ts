import { OWNED_MODELS, type OwnedModelName } from '../../data/organization/models.js';
import { spelt } from '../../resource/define-resource.js';

/** Which columns of a model stay here, or why all of it does. */
type Share = { readonly without: readonly string[] } | { readonly leftOut: string };

/** What an organization takes with it is every model, and of each all columns but these; a test demands a line for whatever is secret. */
export const EXCEPTIONS: { readonly [M in OwnedModelName]?: Share } = {
  Organization: { without: ['lock_version', 'purge_began_at', 'purged_to'] },
  InvitationSecret: { leftOut: 'whoever has a secret of an invitation takes it' },
  IdentityProvider: { without: ['client_secret'] },
  ScimDirectory: { without: ['token_hash'] },
  ApiKey: { without: ['secret_hash'] },
  Credential: { without: ['secret'] },
  Webhook: { without: ['secret', 'previous_secret'] },
  DataKey: { leftOut: 'what is sealed under it is not exported either' },
  Impersonation: { without: ['session_id'] },
  RunClaim: { without: ['token_hash'] },
  RunTurn: { leftOut: 'whose turn it is among organizations is of no use elsewhere' },
  Notification: { leftOut: 'what a member was told is theirs alone' },
  NotificationPreference: { leftOut: 'so is what they want to be told' },
  DueWork: { without: ['payload'] },
};

export interface Exported {
  readonly type: OwnedModelName;
  readonly table: string;
  readonly without: readonly string[];
}

/** In the order in which they come. */
export const EXPORTED_TABLES: readonly Exported[] = OWNED_MODELS.flatMap((type) => {
  const share: Share = EXCEPTIONS[type] ?? { without: [] };
  return 'without' in share ? [{ type, table: spelt(type, '_'), without: share.without }] : [];
});
