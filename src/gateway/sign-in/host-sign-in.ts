import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { findHosted, withoutPort } from '../../context/hosts.js';
import { namedByHost } from '../../context/resolve-organization.js';
import { enteredBy } from '../../context/routing.js';
import { OrgateError } from '../../errors.js';
import { html } from '../../html.js';
import type { HostedOrganization } from '../../identity/hosts.js';
import { openKnownHosts } from '../../identity/known-hosts.js';
import type { ActiveMembership } from '../../identity/person.js';
import { openRegistry } from '../../identity/registry.js';
import { openSessions } from '../../identity/sessions.js';
import { newSecret } from '../../secrets/secret.js';
import { countSignIn } from '../http/metrics.js';
import { idsOf } from '../http/request-record.js';
import { tellRouting } from '../http/tell-routing.js';
import { account } from '../pages/account.js';
import { sendPage } from '../pages/page.js';
import { readBrowser, rememberBrowser } from './browser-cookie.js';
import { type Reason, SignInFailure } from './failure.js';
import type { Asked, SignInParts } from './finish-sign-in.js';
import { leadingTo } from './return-to.js';
import { setSessionCookie } from './session-cookie.js';
import { findSignedIn, type SignedIn } from './signed-in.js';

/**
 * Signing in at the host of an organization. Whoever answers for its DNS could send it elsewhere tomorrow, and what browsers keep
 * for it goes along; so nobody's identity provider leads there. The browser is sent to the gateway's own address, which knows who
 * is signed in, asks them once for each host, and sends it back with a code: for 60 seconds, once, for whoever began (PKCE), at
 * that host. It is given out, and redeemed, only while the DNS says that the host leads here.
 */

type Request = FastifyRequest<Asked>;

const CODE_LIFETIME_MS = 60_000;
const SECRET = /^[\w-]{43}$/;

/** What the host keeps of whoever began there. */
interface KeptAtHost {
  readonly verifier: string;
  readonly returnTo: string | null;
}

/** For whom a code is. */
interface KeptForCode {
  readonly sessionId: string;
  readonly personId: string;
  readonly orgId: string;
}

/** Tells whom a host led to no organization, and why. */
export function refuseAtHost(request: Request, name: string, reason: Reason, viewer?: string): SignInFailure {
  const outcome = reason === 'NOT_THERE' ? 'NOT_FOUND' : reason;
  tellRouting(request, { named: namedByHost(name), outcome, viewer });
  return new SignInFailure(reason);
}

const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/** Sends the browser from the host of an organization to the gateway's own address. The same from one that is nobody's. */
export async function beginAtHost(
  { attempts, publicUrl, hosts }: SignInParts,
  request: Request,
  reply: FastifyReply,
  { returnTo, isSwitching }: { readonly returnTo: string | null; readonly isSwitching: boolean },
): Promise<FastifyReply> {
  const host = withoutPort(request.host);
  const kept: KeptAtHost = { verifier: newSecret(), returnTo };
  const browser = rememberBrowser(request, reply);
  const state = await attempts.begin({ step: 'HOST', providerId: host, browser, kept });
  const query = new URLSearchParams({ host, state, code_challenge: challengeOf(kept.verifier) });
  if (isSwitching) query.set('switch', '1');
  tellRouting(request, { named: namedByHost(hosts.nameIn(host)), outcome: 'SIGN_IN' });
  return reply.redirect(`${publicUrl()}/auth/host?${query.toString()}`, 303);
}

/** What the browser asks at the gateway's own address. */
interface Journey {
  readonly host: string;
  /** What the host names. */
  readonly name: string;
  readonly state: string;
  readonly challenge: string;
  /** Its own path, to come back to. */
  readonly path: string;
}

function readJourney({ hosts }: SignInParts, { query }: Request): Journey {
  const { host, state, code_challenge: challenge } = query;
  const name = typeof host === 'string' ? hosts.nameIn(host) : null;
  const isWhole =
    typeof host === 'string' &&
    typeof state === 'string' &&
    typeof challenge === 'string' &&
    host === withoutPort(host) &&
    SECRET.test(state) &&
    SECRET.test(challenge);
  if (!isWhole || name === null) throw new SignInFailure('NOT_UNDER_WAY');
  const path = `/auth/host?${new URLSearchParams({ host, state, code_challenge: challenge }).toString()}`;
  return { host, name, state, challenge, path };
}

/** What the host names that somebody signs in for; null where they sign in for none. */
export const hostAsked = ({ hosts }: SignInParts, { query }: Request): string | null =>
  typeof query.host === 'string' ? hosts.nameIn(query.host) : null;

interface Traveller {
  readonly found: SignedIn;
  readonly hosted: HostedOrganization;
  readonly membership: ActiveMembership;
}

/** Whoever is signed in, where the host leads to an organization of theirs. @throws SignInFailure the same where it is nobody's */
async function findTraveller(parts: SignInParts, request: Request, journey: Journey): Promise<Traveller | null> {
  const found = await findSignedIn(parts.outside, request);
  if (!found) {
    tellRouting(request, { named: namedByHost(journey.name), outcome: 'SIGN_IN' });
    return null;
  }
  const { person, session } = found;
  const { boundOrgId, startedAt } = session;
  const hosted = await findHosted(parts.outside, journey.name);
  const membership =
    hosted &&
    (await parts.outside(openRegistry).findMembership({ personId: person.id, boundOrgId, startedAt }, hosted.orgId));
  if (!hosted || !membership) throw refuseAtHost(request, journey.name, 'NOT_THERE', person.id);
  return { found, hosted, membership };
}

/** Tells whom a host leads to an organization of theirs. */
function tellEntered(request: Request, name: string, viewer: string, membership: ActiveMembership): void {
  const organization = membership.organization.id;
  const decided = { outcome: enteredBy(membership), organization, source: 'HOST', viewer };
  tellRouting(request, { named: namedByHost(name), ...decided });
}

/** Whoever comes from a host for the first time is asked; whoever was there goes back at once; whoever is nobody signs in. */
export async function askAboutHost(parts: SignInParts, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const journey = readJourney(parts, request);
  const { host, path } = journey;
  const signIn = (anew: boolean) => {
    const door = leadingTo(path, '/auth', anew);
    return `${door}&host=${encodeURIComponent(host)}`;
  };
  if (request.query.switch !== undefined) return reply.redirect(signIn(true), 303);
  const traveller = await findTraveller(parts, request, journey);
  if (!traveller) return reply.redirect(signIn(false), 303);
  const { found, hosted } = traveller;
  const place = { host, orgId: hosted.orgId };
  if (await parts.outside(openKnownHosts).isKnown(found.person.id, place))
    return sendBack(parts, request, reply, { journey, traveller });
  tellEntered(request, journey.name, found.person.id, traveller.membership);
  const title = `Sign in at ${host}?`;
  return sendPage(
    reply,
    200,
    title,
    html`<h1>${title}</h1>
      <p class="lead">This address belongs to ${hosted.name}, which you are a member of. You are asked once.</p>
      <dl class="facts">
        <div>
          <dt>Address</dt>
          <dd>${host}</dd>
        </div>
        <div>
          <dt>Account</dt>
          <dd>${found.person.email}</dd>
        </div>
      </dl>
      <div class="actions">
        <form method="post" action="${path}"><button>Continue</button></form>
      </div>
      ${account(found.person, path)}`,
    { formsLeadTo: parts.hosts.originOf(host) },
  );
}

/** They said so, on that page. */
export async function agreeToHost(parts: SignInParts, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  if (!parts.isFromOwnPage(request)) throw new OrgateError('FORBIDDEN', 'A page of another site sent this request.');
  const journey = readJourney(parts, request);
  const traveller = await findTraveller(parts, request, journey);
  if (!traveller) return reply.redirect(journey.path, 303);
  const { found, hosted } = traveller;
  const answer = await sendBack(parts, request, reply, { journey, traveller });
  await parts.outside(openKnownHosts).remember(found.person.id, { host: journey.host, orgId: hosted.orgId });
  return answer;
}

/** Whether the DNS says now that the host leads here; what is under the base domain is the deployment's own. */
const leadsHere = async ({ lookAtHost }: SignInParts, name: string): Promise<boolean> =>
  !name.includes('.') || (await lookAtHost(name)).leadsHere;

async function sendBack(
  parts: SignInParts,
  request: Request,
  reply: FastifyReply,
  { journey, traveller }: { readonly journey: Journey; readonly traveller: Traveller },
): Promise<FastifyReply> {
  const { host, name, state, challenge } = journey;
  const { found, hosted, membership } = traveller;
  const { person, session } = found;
  if (!(await leadsHere(parts, name))) throw refuseAtHost(request, name, 'HOST_ELSEWHERE', person.id);
  tellEntered(request, name, person.id, membership);
  const kept: KeptForCode = { sessionId: session.id, personId: person.id, orgId: hosted.orgId };
  const code = await parts.attempts.begin({
    step: 'HOST_CODE',
    providerId: host,
    browser: challenge,
    kept,
    lifetimeMs: CODE_LIFETIME_MS,
  });
  const query = new URLSearchParams({ code, state });
  return reply.redirect(`${parts.hosts.originOf(host)}/auth/host/callback?${query.toString()}`, 303);
}

/** The browser is back at the host where it began, with a code. */
export async function finishAtHost(
  parts: SignInParts,
  request: Request,
  reply: FastifyReply,
  name: string,
): Promise<FastifyReply> {
  const { attempts, outside } = parts;
  const { code, state } = request.query;
  const host = withoutPort(request.host);
  const browser = readBrowser(request);
  const began =
    typeof state === 'string' && browser ? await attempts.take<KeptAtHost>('HOST', state, host, browser) : null;
  if (!began || typeof code !== 'string') throw refuseAtHost(request, name, 'NOT_UNDER_WAY');
  const kept = await attempts.take<KeptForCode>('HOST_CODE', code, host, challengeOf(began.verifier));
  if (!kept) throw refuseAtHost(request, name, 'NOT_UNDER_WAY');
  const { sessionId, personId, orgId } = kept;
  if (!(await leadsHere(parts, name))) throw refuseAtHost(request, name, 'HOST_ELSEWHERE', personId);
  const [hosted, found] = await Promise.all([
    findHosted(outside, name),
    outside(openRegistry).findPerson({ kind: 'session', sessionId, personId }, [orgId]),
  ]);
  const [membership] = found?.person.status === 'ACTIVE' ? found.memberships : [];
  if (!membership || hosted?.orgId !== orgId) throw refuseAtHost(request, name, 'NOT_THERE', personId);
  const from = { requestId: request.id, address: request.ip };
  const userAgent = request.headers['user-agent'] ?? null;
  const started = await outside(openSessions).startAtHost({ of: sessionId, boundOrgId: orgId, userAgent, from });
  if (!started) throw refuseAtHost(request, name, 'NOT_UNDER_WAY', personId);
  tellEntered(request, name, personId, membership);
  setSessionCookie(reply, started);
  countSignIn(parts.metrics, request, 'SIGNED_IN');
  request.log.info({ ...idsOf(request), viewer: personId, host }, 'signed in at a host');
  return reply.redirect(leadingTo(began.returnTo, '/auth/organizations'), 303);
}
