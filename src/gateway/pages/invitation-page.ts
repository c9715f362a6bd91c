import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestContext } from '../../context/context.js';
import { idPrefix } from '../../data/id.js';
import { brandingAt } from '../../domains/branding/index.js';
import {
  acceptInvitation,
  declineInvitation,
  followInvitation,
  type FollowedInvitation,
  type NamedInvitation,
  type Offer,
  requestNewInvitation,
} from '../../domains/invitation/answer-invitation.js';

import { OrgateError } from '../../errors.js';
import type { InvitationOutcome } from '../../generated/graphql.js';
import { html, type Html } from '../../html.js';
import { inWords } from '../../instant.js';
import { roleName } from '../../permissions/catalogue.js';
import { acceptForms } from '../http/accept-forms.js';
import type { ContextParts } from '../http/open-context.js';
import { openVisit } from '../http/open-visit.js';
import { STATUSES } from '../http/statuses.js';
import { leadingTo, withOrganization } from '../sign-in/return-to.js';
import { account } from './account.js';
import { rememberAcceptance, takeAcceptance } from './invitation-acceptance.js';
import { sendPage } from './page.js';
import { requestNote } from './problem-page.js';

interface Followed {
  Params: { name: string; act: string };
  Querystring: { through?: unknown; return_to?: unknown };
}

export interface InvitationParts extends ContextParts {
  /** Where people work; null where the deployment does not say. */
  readonly productUrl: () => string | null;
}

const ACTS: Readonly<Record<string, typeof acceptInvitation>> = {
  accept: acceptInvitation,
  decline: declineInvitation,
  'request-new': requestNewInvitation,
};

/**
 * Where the link of an invitation leads: a page on which whoever is signed in in this browser answers it. Following the
 * link changes nothing, since mail programs follow links too. Who accepts before they signed in has accepted once they
 * are back as the invited. Whoever it waits for answers it by its id, too (`organizations-page.ts`).
 */
export function serveInvitations(app: FastifyInstance, parts: InvitationParts): void {
  void app.register(async (scope) => {
    // The forms have no fields: the address says it all.
    acceptForms(scope);
    scope.setErrorHandler<Error, Followed>((error, request, reply) => {
      if (!(error instanceof OrgateError)) throw error;
      // It waits no longer, perhaps since it was answered a moment ago.
      if (error.code === 'NOT_FOUND' && 'waiting' in namedIn(request)) {
        return reply.redirect(leadingTo(returnToOf(request), '/auth/organizations'), 303);
      }
      return sendRefusal(request, reply, error);
    });

    const visitOf = (request: FastifyRequest<Followed>, context: RequestContext, hasAccepted: boolean): Visit => {
      const [returnTo, productUrl] = [returnToOf(request), parts.productUrl()];
      return { path: pathOf(request), context, returnTo, productUrl, hasAccepted };
    };

    scope.get<Followed>('/invitations/:name', async (request, reply) => {
      const named = namedIn(request);
      const context = await openVisit(request, reply, parts);
      const followed = await followInvitation(named, context);
      const hasAccepted = followed.answer !== null && takeAcceptance(request, reply, request.params.name);
      const answer = hasAccepted ? await acceptInvitation(named, context) : followed.answer;
      return sendInvitation(reply, visitOf(request, context, hasAccepted), { ...followed, answer });
    });

    scope.get<Followed>('/invitations/:name/accept', async (request, reply) => {
      if (isFromElsewhere(request)) return reply.redirect(pathOf(request), 303);
      const { offer } = await followInvitation(namedIn(request), await openVisit(request, reply, parts));
      rememberAcceptance(reply, request.params.name);
      const door = offer && request.query.through === 'organization' ? `/auth/${offer.organization.slug}` : '/auth';
      return reply.redirect(leadingTo(pathOf(request), door), 303);
    });

    scope.post<Followed>('/invitations/:name/:act', async (request, reply) => {
      const { act } = request.params;
      const answer = ACTS[act];
      if (!answer) return reply.callNotFound();
      const context = await openVisit(request, reply, parts);
      if (!context.viewer) return reply.redirect(pathOf(request), 303);
      const named = namedIn(request);
      const followed = await followInvitation(named, context);
      const visit = visitOf(request, context, act === 'accept');
      return sendInvitation(reply, visit, { ...followed, answer: await answer(named, context) });
    });
  });
}

const namedIn = ({ params: { name } }: FastifyRequest<Followed>): NamedInvitation =>
  idPrefix(name) === 'inv' ? { waiting: name } : { secret: name };

const pathOf = ({ params: { name } }: FastifyRequest<Followed>): string => `/invitations/${encodeURIComponent(name)}`;

/** Where they were going when they were told of it; `/auth/organizations`, which leads there, says whether it may. */
const returnToOf = ({ query: { return_to } }: FastifyRequest<Followed>): string | null =>
  typeof return_to === 'string' ? return_to : null;

/** Another site's link accepts nothing in anybody's name. Only old browsers do not say where a link stands. */
const isFromElsewhere = ({ headers }: FastifyRequest): boolean =>
  headers['sec-fetch-site'] !== undefined && headers['sec-fetch-site'] !== 'same-origin';

interface Visit {
  readonly path: string;
  readonly context: RequestContext;
  readonly returnTo: string | null;
  readonly productUrl: string | null;
  /** Whether they accepted just now, and so are led on. */
  readonly hasAccepted: boolean;
}

/** What the page says, what there is to do, and where it leads by itself. */
interface Said {
  readonly title: string;
  readonly text: string;
  readonly facts?: Html;
  readonly actions?: readonly Html[];
  readonly onward?: string;
}

async function sendInvitation(reply: FastifyReply, visit: Visit, followed: FollowedInvitation): Promise<FastifyReply> {
  const dress = await brandingAt(followed.offer?.organization.slug ?? null, visit.context.deployment);
  const { title, text, facts, actions = [], onward } = say(visit, followed);
  const { person } = visit.context.viewer ?? {};
  return sendPage(
    reply,
    200,
    title,
    html`<h1>${title}</h1>
      <p class="lead">${text}</p>
      ${facts ?? html``} ${actions.length > 0 ? html`<div class="actions">${actions}</div>` : html``}
      ${person ? account(person, visit.path) : html``}`,
    { dress, ...(onward !== undefined && { onward }) },
  );
}

const form = (path: string, act: string, label: string, look: string) =>
  html`<form method="post" action="${path}/${act}"><button class="${look}">${label}</button></form>`;

function say({ path, returnTo, productUrl, hasAccepted }: Visit, { offer, answer }: FollowedInvitation): Said {
  const name = offer?.organization.name ?? 'the organization';
  const invitation = offer ? `Join ${name}` : 'Invitation';
  if (!answer) return { ...sayToStranger(path, offer), title: invitation };
  const askAgain = form(path, 'request-new', 'Ask for a new one', 'second');
  const signInAnew = html`<a class="button" href="${leadingTo(path, '/auth', true)}">Use another account</a>`;
  const home =
    returnTo === null && productUrl && offer
      ? withOrganization(productUrl, offer.organization.slug)
      : leadingTo(returnTo, '/auth/organizations');
  const goOn = html`<a class="button" href="${home}">Continue</a>`;
  const led = hasAccepted && (returnTo ?? productUrl) !== null && { onward: home };
  const told: Readonly<Record<InvitationOutcome, Omit<Said, 'title'> & { readonly title?: string }>> = {
    PENDING: {
      text: invites(offer),
      ...(offer && { facts: factsOf(offer) }),
      actions: [form(path, 'accept', 'Accept', ''), form(path, 'decline', 'Decline', 'quiet')],
    },
    ACCEPTED: { title: `Welcome to ${name}`, text: 'You are a member now.', actions: [goOn], ...led },
    ALREADY_ACCEPTED: { text: 'You accepted this invitation already.', actions: [goOn], ...led },
    DECLINED: { text: 'You declined this invitation.', actions: [askAgain] },
    EXPIRED: { text: 'This invitation has expired.', actions: [askAgain] },
    REQUESTED: { text: 'The organization was asked for a new invitation. It comes by mail.' },
    REVOKED: { text: 'This invitation was taken back.' },
    EMAIL_MISMATCH: {
      text: `This invitation is for ${answer.maskedEmail ?? 'another address'}. Sign in with that address.`,
      actions: [signInAnew],
    },
    EMAIL_UNVERIFIED: {
      text: 'Nobody proved yet that your e-mail address is yours. Sign in with an identity provider that verifies it.',
      actions: [signInAnew],
    },
  };
  return { title: invitation, ...told[answer.outcome] };
}

/** Whoever is not signed in signs in on the way, and has accepted then. */
function sayToStranger(path: string, offer: Offer | null): Omit<Said, 'title'> {
  if (!offer) {
    return {
      text: 'Sign in with the address that the invitation was sent to.',
      actions: [html`<a class="button" href="${leadingTo(path, '/auth')}">Sign in</a>`],
    };
  }
  const { name, hasProvider } = offer.organization;
  const through = html`<a class="button second" href="${path}/accept?through=organization">Accept with ${name}</a>`;
  return {
    text: invites(offer),
    facts: factsOf(offer),
    actions: [
      html`<a class="button" href="${path}/accept">Accept</a>`,
      ...(hasProvider ? [through] : []),
      html`<p class="small note">You sign in on the way, with the address that the invitation was sent to.</p>`,
    ],
  };
}

const invites = (offer: Offer | null): string =>
  offer?.invitedBy ? `${offer.invitedBy} invites you.` : 'You are invited.';

const factsOf = ({ role, maskedEmail, expiresAt }: Offer): Html =>
  html`<dl class="facts">
    <div>
      <dt>Role</dt>
      <dd>${roleName(role)}</dd>
    </div>
    <div>
      <dt>Sent to</dt>
      <dd>${maskedEmail}</dd>
    </div>
    <div>
      <dt>Until</dt>
      <dd>${inWords(expiresAt)}</dd>
    </div>
  </dl>`;

function sendRefusal(
  request: FastifyRequest,
  reply: FastifyReply,
  { code, message, detail }: OrgateError,
): FastifyReply {
  if (detail.retryAfter !== undefined) reply.header('retry-after', String(detail.retryAfter));
  const isUnknown = code === 'NOT_FOUND';
  const title = isUnknown ? 'No such invitation' : 'This does not work';
  return sendPage(
    reply,
    STATUSES[code] ?? 400,
    title,
    html`<h1>${title}</h1>
      <p class="lead">${isUnknown ? 'Perhaps the link was cut off: copy it from the mail as a whole.' : message}</p>
      <div class="actions"><a class="button second" href="/">Go to the start page</a></div>`,
    isUnknown ? {} : { footer: requestNote(request) },
  );
}
