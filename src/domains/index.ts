import { completeDomains } from '../resource/define-domain.js';
import { agent } from './agent/index.js';
import { apiKey } from './api-key/index.js';
import { auditEntry } from './audit-entry/index.js';
import { budget } from './budget/index.js';
import { credential } from './credential/index.js';
import { domain } from './dns-domain/index.js';
import { identityProvider } from './identity-provider/index.js';
import { impersonation } from './impersonation/index.js';
import { invitation } from './invitation/index.js';
import { joinRequest } from './join-request/index.js';
import { membership } from './membership/index.js';
import { nodeDomain } from './node/index.js';
import { organization } from './organization/index.js';
import { organizationExport } from './organization-export/index.js';
import { permissionDomain } from './permission/index.js';
import { purge } from './purge/index.js';
import { rateLimit } from './rate-limit/index.js';
import { repository } from './repository/index.js';
import { run } from './run/index.js';
import { scimDirectory } from './scim-directory/index.js';
import { serviceAccount } from './service-account/index.js';
import { session } from './session/index.js';
import { supportAccessGrant } from './support-access-grant/index.js';
import { usage } from './usage/index.js';
import { viewer } from './viewer/index.js';

/** Every domain, one line each. */
const listed = [
  viewer,
  session,
  organization,
  organizationExport,
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
  agent,
  run,
  usage,
  budget,
  auditEntry,
  impersonation,
  supportAccessGrant,
  purge,
  rateLimit,
] as const;

/** While a type or a field of the contract lacks something, the compiler says what at `true`. */
export const domains = completeDomains([...listed, nodeDomain(listed), permissionDomain(listed)], true);
