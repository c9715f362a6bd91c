import { completeDomains } from '../resource/define-domain.js';
import { account } from './account/index.js';
import { agent } from './agent/index.js';
import { approval } from './approval/index.js';
import { apiKey } from './api-key/index.js';
import { auditEntry } from './audit-entry/index.js';
import { branding } from './branding/index.js';
import { budget } from './budget/index.js';
import { credential } from './credential/index.js';
import { domain } from './dns-domain/index.js';
import { executor } from './executor/index.js';
import { identityProvider } from './identity-provider/index.js';
import { impersonation } from './impersonation/index.js';
import { invitation } from './invitation/index.js';
import { joinRequest } from './join-request/index.js';
import { membership } from './membership/index.js';
import { nodeDomain } from './node/index.js';
import { notification } from './notification/index.js';
import { organization } from './organization/index.js';
import { organizationExport } from './organization-export/index.js';
import { organizationSet } from './organization-set/index.js';
import { permissionDomain } from './permission/index.js';
import { provider } from './provider/index.js';
import { purge } from './purge/index.js';
import { rateLimit } from './rate-limit/index.js';
import { repository } from './repository/index.js';
import { run } from './run/index.js';
import { runUpdate } from './run-update/index.js';
import { scimDirectory } from './scim-directory/index.js';
import { serviceAccount } from './service-account/index.js';
import { session } from './session/index.js';
import { supportAccessGrant } from './support-access-grant/index.js';
import { usage } from './usage/index.js';
import { viewer } from './viewer/index.js';
import { webhook } from './webhook/index.js';

/** Every domain, one line each. */
export const listed = [
  viewer,
  session,
  organization,
  branding,
  organizationExport,
  organizationSet,
  membership,
  serviceAccount,
  apiKey,
  invitation,
  domain,
  joinRequest,
  identityProvider,
  scimDirectory,
  repository,
  credential,
  webhook,
  agent,
  run,
  approval,
  executor,
  provider,
  runUpdate,
  usage,
  budget,
  notification,
  auditEntry,
  impersonation,
  supportAccessGrant,
  account,
  purge,
  rateLimit,
] as const;

/** While a type or a field of the contract lacks something, the compiler says what at `true`. */
export const domains = completeDomains([...listed, nodeDomain(listed), permissionDomain(listed)], true);
