import { completeDomains } from '../permissions/domain.js';
import { agent } from './agent.js';
import { apiKey } from './api-key.js';
import { domain } from './domain.js';
import { identityProvider } from './identity-provider.js';
import { invitation } from './invitation.js';
import { joinRequest } from './join-request.js';
import { membership } from './membership.js';
import { nodeDomain } from './node.js';
import { organization } from './organization.js';
import { rateLimit } from './rate-limit.js';
import { repository } from './repository.js';
import { run } from './run.js';
import { scimDirectory } from './scim/scim-directory.js';
import { serviceAccount } from './service-account.js';
import { session } from './session.js';
import { usage } from './usage.js';
import { viewer } from './viewer.js';

/** Every domain, one line each. */
const listed = [
  viewer,
  session,
  organization,
  membership,
  serviceAccount,
  apiKey,
  invitation,
  domain,
  joinRequest,
  identityProvider,
  scimDirectory,
  repository,
  agent,
  run,
  usage,
  rateLimit,
] as const;

/** It does not compile while a type or a root field of the schema has no rule. */
export const domains = completeDomains([...listed, nodeDomain(listed)]);
