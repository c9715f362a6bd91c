import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticate, Credential } from '../../context/authenticate.js';
import { RequestContext } from '../../context/context.js';
import type { Viewer } from '../../context/viewer.js';
import { type Deployment, REAL_TIME } from '../../context/deployment.js';
import { type Entered, enterOrganization, NotEnteredError } from '../../context/enter-organization.js';
import { enterImpersonating } from '../../context/enter-impersonating.js';
import { enterAsMachine } from '../../context/enter-as-machine.js';
import { enterWithKey } from '../../context/enter-with-key.js';
import { RefusedKeyError } from '../../context/refused-key.js';
import { HOSTS } from '../../context/hosts.js';
import {
  type NamedOrganization,
  namedOrganizations,
  type OrganizationHeaders,
} from '../../context/resolve-organization.js';
import type { CallCounter } from '../../domains/usage/index.js';
import { OrgateError } from '../../errors.js';
import { openSessions } from '../../identity/sessions.js';
import { decideAllowed } from '../../permissions/features.js';
import { hashSecret } from '../../secrets/secret.js';
import type { IsFromOwnPage } from '../sign-in/own-page.js';
import { clearSessionCookie, readSessionCookie } from '../sign-in/session-cookie.js';
import { announcedLength } from './bodies/receive-bodies.js';
import { limitViewer } from './limit-requests.js';
import { isLocalHost } from './local-host.js';
import type { RateLimits } from './rate-limits.js';
import type { Senders } from './senders.js';
import { refusedRouting, routingOf, tellRouting } from './tell-routing.js';

/** What tells who asks. */
export interface ContextParts {
  readonly authenticate: Authenticate;
  readonly isFromOwnPage: IsFromOwnPage;
  readonly deployment: Deployment;
  readonly limits: RateLimits;
  readonly senders: Senders;
  /** Whether somebody who acts as a member comes in here: only where each of their operations is told before it is done. */
  readonly admitsImpersonation?: true;
  /** Counts what comes in here as a call of its organization. */
  readonly calls?: CallCounter;
  /** Whether machines of the deployment come in here: only where what they ask for is held to the little that they may. */
  readonly admitsMachines?: true;
}

/**
 * Who asks, and in which organization, by all that the request carries; nobody, where it carries nothing.
 *
 * @param before who asked before the body came, which took as long as it liked: that is paid for, and otherwise asked anew
 * @param path the organization that the door has in its path, if any
 * @throws OrgateError when what it carries does not hold, or comes too often
 */
export async function openContext(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: ContextParts,
  before: RequestContext | null = null,
  path: string | null = null,
): Promise<RequestContext> {
  const { deployment, authenticate, senders } = parts;
  const cookie = readSessionCookie(request);
  const cookieHash = cookie === null ? null : hashSecret(cookie);
  const host = deployment.use(HOSTS).nameIn(request.host);
  const elsewhere = { host, path };
  const headers = request.headers as OrganizationHeaders;
  let credential: Credential | null = null;
  let named = namedOrganizations(headers, null, elsewhere);
  try {
    credential = await authenticate(request.headers.authorization, isLocalHost(request.headers));
    if (!credential && cookieHash !== null) {
      if (!parts.isFromOwnPage(request))
        throw new OrgateError('FORBIDDEN', 'A page of another site sent this request.');
      credential = { kind: 'cookie', cookieHash, organizationClaim: null };
    }
    if (credential) named = namedOrganizations(headers, credential.organizationClaim, elsewhere);
    const entered = credential
      ? await enter(credential, request, { cookieHash, named }, parts)
      : { viewer: null, current: null };
    const isDecision = entered.viewer !== null || named.length > 0;
    // Whoever sends a body is asked for again once it has come, and whoever reads on and on for each part.
    if (!before && isDecision) tellRouting(request, routingOf(named, entered));
    senders.led(request, entered.current?.orgId ?? null);
    const context = new RequestContext(request.id, entered.viewer, entered.current, deployment, request.ip, host);
    if (request.record) {
      request.record.context = context;
      request.record.held?.belongTo(context.current?.orgId ?? '');
    }
    if (entered.viewer) noteUse(deployment, entered.viewer, request);
    if (before?.spending) context.noteSpending(before.spending);
    if (!before) await limitViewer(parts.limits, announcedLength(request) ?? 0, context);
    // What the deployment's own people ask for is no use that an organization makes of it.
    if (!before && context.current && !context.viewer?.impersonation) {
      const { orgId, membership } = context.current;
      parts.calls?.count(orgId, decideAllowed(membership.standing, 'api_calls_per_month').max);
    }
    return context;
  } catch (error) {
    senders.led(request, null);
    const refused = refusedRouting(named, error);
    if (refused) tellRouting(request, refused);
    // A cookie whose session is over has nothing more to say.
    const isOver = error instanceof OrgateError && error.code === 'UNAUTHENTICATED';
    if (isOver && credential?.kind === 'cookie') clearSessionCookie(reply);
    if (request.record && error instanceof OrgateError && error.cause instanceof RefusedKeyError) {
      const { keyId: id, why } = error.cause;
      request.record.refusedKey = { id, why };
    }
    if (request.record && error instanceof OrgateError && error.cause instanceof NotEnteredError) {
      request.record.notEntered = error.cause;
    }
    throw error;
  }
}

function enter(
  credential: Credential,
  { id: requestId, ip: address }: FastifyRequest,
  { cookieHash, named }: { readonly cookieHash: string | null; readonly named: readonly NamedOrganization[] },
  { deployment, admitsImpersonation, admitsMachines }: ContextParts,
): Promise<Entered> {
  // A key names no person, so a cookie beside it cannot name another.
  if (credential.kind === 'key') return enterWithKey(deployment, credential, named);
  if (credential.kind === 'executor' || credential.kind === 'claim') {
    if (!admitsMachines) throw new OrgateError('FORBIDDEN', 'Executors come in at /graphql only.');
    return enterAsMachine(deployment, credential, named);
  }
  if (credential.kind === 'impersonation' && !admitsImpersonation)
    throw new OrgateError('FORBIDDEN', 'Whoever acts as somebody else comes in at /graphql only.');
  if (credential.kind === 'impersonation') return enterImpersonating(deployment, credential, named, cookieHash);
  const beside = credential.kind === 'cookie' ? null : cookieHash;
  return enterOrganization(deployment, credential, named, beside, { requestId, address });
}

const USE_NOTED_MS = 5 * 60_000;

/** Notes now and then that a session is in use; nobody waits for it. */
function noteUse({ outside, use }: Deployment, { session: { id, lastUsedAt } }: Viewer, { log }: FastifyRequest): void {
  const now = use(REAL_TIME)().getTime();
  if (id === null || lastUsedAt === null || now - lastUsedAt.getTime() < USE_NOTED_MS) return;
  outside(openSessions)
    .touch(id)
    .catch((err: unknown) => log.warn({ err }, 'the use of a session was not noted'));
}
