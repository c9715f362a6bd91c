import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RequestContext } from '../../context/context.js';
import {
  acceptInvitation,
  declineInvitation,
  followInvitation,
  type FollowedInvitation,
  requestNewInvitation,
} from '../../domains/invitation/answer-invitation.js';
import { OrgateError } from '../../errors.js';
import type { InvitationOutcome } from '../../generated/graphql.js';
import { STRANGERS_BODY_BYTES } from '../http/bodies/receive-bodies.js';
import { type ContextParts, openContext } from '../http/open-context.js';
import { html, type Html, sendPage } from './page.js';

interface Followed {
  Params: { secret: string; act: string };
}

const ACTS: Readonly<Record<string, typeof acceptInvitation>> = {
  accept: acceptInvitation,
  decline: declineInvitation,
  'request-new': requestNewInvitation,
};

/**
 * Where the link of an invitation leads: a page on which whoever is signed in in this browser answers it. Following the
 * link changes nothing, since mail programs follow links too.
 */
export function serveInvitations(app: FastifyInstance, parts: ContextParts): void {
  void app.register(async (scope) => {
    // The forms have no fields: the address says it all.
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async () => null);
    scope.setErrorHandler((error, _request, reply) => {
      if (!(error instanceof OrgateError)) throw error;
      return sendRefusal(reply, error);
    });

    scope.get<Followed>('/invitations/:secret', async (request, reply) => {
      const context = await openVisit(request, reply, parts);
      return sendInvitation(reply, request.params.secret, await followInvitation(request.params.secret, context));
    });

    scope.post<Followed>('/invitations/:secret/:act', { bodyLimit: STRANGERS_BODY_BYTES }, async (request, reply) => {
      const { secret, act } = request.params;
      const answer = ACTS[act];
      if (!answer) return reply.callNotFound();
      const context = await openVisit(request, reply, parts);
      if (!context.viewer) return reply.redirect(`/invitations/${encodeURIComponent(secret)}`, 303);
      const followed = await followInvitation(secret, context);
      return sendInvitation(reply, secret, { ...followed, answer: await answer(secret, context) });
    });
  });
}

/** Whoever was signed in and is no longer is nobody here, and may sign in again. */
const openVisit = (request: FastifyRequest, reply: FastifyReply, parts: ContextParts): Promise<RequestContext> =>
  openContext(request, reply, parts).catch((error: unknown) => {
    if (!(error instanceof OrgateError) || error.code !== 'UNAUTHENTICATED') throw error;
    return new RequestContext(request.id, null, null, parts.deployment, request.ip);
  });

function sendInvitation(
  reply: FastifyReply,
  secret: string,
  { organization, answer }: FollowedInvitation,
): FastifyReply {
  const path = `/invitations/${encodeURIComponent(secret)}`;
  const returnTo = encodeURIComponent(path);
  const button = (act: string, label: string) =>
    html`<form method="post" action="${path}/${act}"><button>${label}</button></form>`;
  const ownProvider = organization?.slug
    ? html`<a class="button" href="/auth/${organization.slug}?return_to=${returnTo}"
        >As someone of ${organization.name}</a
      >`
    : html``;
  const signIn = html`<p><a class="button" href="/auth?return_to=${returnTo}">Sign in</a> ${ownProvider}</p>`;
  const askAgain = html`<p>${button('request-new', 'Ask for a new one')}</p>`;
  const told: Readonly<Record<InvitationOutcome, Html>> = {
    PENDING: html`<p>${button('accept', 'Accept')} ${button('decline', 'Decline')}</p>`,
    ACCEPTED: html`<p>You are a member now.</p>
      <p><a href="/auth/organizations">Your organizations</a></p>`,
    ALREADY_ACCEPTED: html`<p>You accepted this invitation already.</p>
      <p><a href="/auth/organizations">Your organizations</a></p>`,
    DECLINED: html`<p>You declined this invitation.</p>
      ${askAgain}`,
    EXPIRED: html`<p>This invitation has expired.</p>
      ${askAgain}`,
    REQUESTED: html`<p>The organization was asked for a new invitation.</p>`,
    REVOKED: html`<p>This invitation was taken back.</p>`,
    EMAIL_MISMATCH: html`<p>
        This invitation is for ${answer?.maskedEmail ?? 'another address'}. Sign in with that address.
      </p>
      ${signIn}`,
    EMAIL_UNVERIFIED: html`<p>
        Nobody proved yet that your e-mail address is yours. Sign in with an identity provider that verifies it.
      </p>
      ${signIn}`,
  };
  const body = answer
    ? told[answer.outcome]
    : html`<p>Sign in with the address that the invitation was sent to.</p>
        ${signIn}`;
  return sendPage(
    reply,
    200,
    'Invitation',
    html`<h1>${organization ? `${organization.name} invites you` : 'Invitation'}</h1>
      ${body}`,
  );
}

const STATUSES: Partial<Record<OrgateError['code'], number>> = {
  NOT_FOUND: 404,
  FORBIDDEN: 403,
  CONFLICT: 409,
  RATE_LIMITED: 429,
};

function sendRefusal(reply: FastifyReply, { code, message, detail }: OrgateError): FastifyReply {
  if (detail.retryAfter !== undefined) reply.header('retry-after', String(detail.retryAfter));
  const isUnknown = code === 'NOT_FOUND';
  return sendPage(
    reply,
    STATUSES[code] ?? 503,
    'Invitation',
    html`<h1>${isUnknown ? 'No such invitation' : 'This does not work'}</h1>
      <p>${isUnknown ? 'Perhaps the link was cut off: copy it from the mail as a whole.' : message}</p>`,
  );
}
