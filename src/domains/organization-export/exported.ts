import type { OwnedModelName } from '../../data/organization/models.js';

/** Which columns of a model stay here, or why all of it does. */
type Share = { readonly without: readonly string[] } | { readonly leftOut: string };

const WHOLE: Share = { without: [] };

/** What an organization takes with it: every model stands here, and of each all but what is secret. */
export const EXPORTED: { readonly [M in OwnedModelName]: Share } = {
  Organization: { without: ['lock_version', 'purge_began_at', 'purged_to'] },
  Address: WHOLE,
  SettingsVersion: WHOLE,
  Membership: WHOLE,
  Invitation: WHOLE,
  InvitationSecret: { leftOut: 'whoever has a secret of an invitation takes it' },
  JoinRequest: WHOLE,
  OrganizationDomain: WHOLE,
  IdentityProvider: { without: ['client_secret'] },
  ScimDirectory: { without: ['token_hash'] },
  ScimUser: WHOLE,
  ScimGroup: WHOLE,
  ScimGroupMember: WHOLE,
  ApiKey: { without: ['secret_hash'] },
  Credential: { without: ['secret'] },
  DataKey: { leftOut: 'what is sealed under it is not exported either' },
  Repository: WHOLE,
  Agent: WHOLE,
  Run: WHOLE,
  RunUsage: WHOLE,
  UsageEvent: WHOLE,
  Budget: WHOLE,
  UsageAlert: WHOLE,
  Impersonation: { without: ['session_id'] },
  SupportAccessGrant: WHOLE,
  DueWork: { without: ['payload'] },
  AuditEntry: WHOLE,
  AuditSeal: WHOLE,
  AuditExport: WHOLE,
  OrganizationExport: WHOLE,
};

export interface Exported {
  readonly type: OwnedModelName;
  readonly table: string;
  readonly without: readonly string[];
}

const tableOf = (model: string): string => model.replaceAll(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();

/** In the order in which they come. */
export const EXPORTED_TABLES: readonly Exported[] = Object.entries(EXPORTED).flatMap(([model, share]) =>
  'without' in share ? [{ type: model as OwnedModelName, table: tableOf(model), without: share.without }] : [],
);
