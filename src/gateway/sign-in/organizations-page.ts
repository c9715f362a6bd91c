import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Outside } from '../../data/connection/outside.js';
import { listWaiting } from '../../domains/invitation/list-waiting.js';
import type { WaitingInvitation } from '../../domains/invitation/outside.js';
import { html, type Html } from '../../html.js';
import { openRegistry } from '../../identity/registry.js';
import { inWords } from '../../instant.js';
import { roleName } from '../../permissions/catalogue.js';
import { account } from '../pages/account.js';
import { initial } from '../pages/look.js';
import { sendPage } from '../pages/page.js';
import { leadingTo, organizationNamedIn, withOrganization } from './return-to.js';
import { clearSessionCookie } from './session-cookie.js';
import { findSignedIn } from './signed-in.js';

const SHOWN = 100;

export interface OrganizationsParts {
  readonly outside: Outside;
  readonly publicUrl: () => string;
  /** Where people work who came for nothing else; null where the deployment does not say. */
  readonly productUrl: () => string | null;
}

/**
 * Whoever has signed in chooses where to work, unless the page that they came from says so, where they worked before; or
 * their only organization, or their default. Nothing is stored by that: the page they came for is told, and names the
 * organization in its requests. Whoever came for an invitation is asked nothing, and whoever has no organization is shown
 * what waits for them.
 *
 * @param asked what they came for, if they said so
 */
export async function sendOrganizations(
  { outside, publicUrl, productUrl }: OrganizationsParts,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: string | null,
): Promise<FastifyReply> {
  const found = await findSignedIn(outside, request);
  if (!found) {
    clearSessionCookie(reply);
    return reply.redirect(leadingTo(asked, '/auth'), 303);
  }
  const returnTo = asked ?? productUrl();
  const isUnderWay = ['/invitations/', '/auth/host?'].some((path) => returnTo?.startsWith(`${publicUrl()}${path}`));
  if (returnTo !== null && isUnderWay) return reply.redirect(returnTo, 303);
  const { person, memberships, session } = found;
  const { boundOrgId, startedAt } = session;
  const sessionScope = { personId: person.id, boundOrgId, startedAt };
  const registry = outside(openRegistry);
  const named = returnTo === null ? null : organizationNamedIn(returnTo);
  const [only] = memberships.length === 1 ? memberships : [];
  const chosen =
    (named === null ? null : await registry.findMembership(sessionScope, named)) ??
    memberships.find(({ organization }) => organization.id === person.defaultOrgId) ??
    only;
  if (returnTo !== null && chosen) return reply.redirect(withOrganization(returnTo, chosen.organization.slug), 303);

  const available = await registry.listMemberships(sessionScope, {
    orderBy: { id: 'asc' },
    past: undefined,
    take: SHOWN,
  });
  const rows = available.map(({ organization: { id, name, slug }, role }) => {
    const isDefault = id === person.defaultOrgId;
    const label = html`${initial(name)}<span
        >${name}<small>${[slug, roleName(role), ...(isDefault ? ['by default'] : [])].join(' · ')}</small></span
      >`;
    return returnTo === null
      ? html`<li><div class="plain">${label}</div></li>`
      : html`<li><a href="${withOrganization(returnTo, slug)}">${label}</a></li>`;
  });
  const isQuestion = returnTo !== null && rows.length > 0;
  const title = isQuestion ? 'Where do you want to work?' : 'You are signed in';
  return sendPage(
    reply,
    200,
    title,
    html`<h1>${title}</h1>
      ${
        rows.length > 0
          ? html`<ul class="choices">
              ${rows}
            </ul>`
          : withoutOrganization(await listWaiting(outside, sessionScope), asked)
      }
      ${onward(returnTo, isQuestion)} ${account(person, asked)}`,
  );
}

function withoutOrganization(waiting: readonly WaitingInvitation[], asked: string | null): Html {
  if (waiting.length === 0) {
    return html`<p class="lead">
      You do not belong to an organization yet. If you were invited, follow the link in the mail, and sign in with the
      address that it came to.
    </p>`;
  }
  const rows = waiting.map(({ invitationId, organizationName: name, role, invitedBy, expiresAt }) => {
    const accept = leadingTo(asked, `/invitations/${invitationId}/accept`);
    return html`<li>
      <div class="plain">
        ${initial(name)}
        <span
          >${name}<small>${invitedBy} invites you</small
          ><small>${roleName(role)} · until ${inWords(expiresAt)}</small></span
        >
        <form method="post" action="${accept}"><button aria-label="Accept: ${name}">Accept</button></form>
      </div>
    </li>`;
  });
  return html`<p class="lead">You do not belong to an organization yet. You are invited:</p>
    <ul class="choices">
      ${rows}
    </ul>`;
}

const onward = (returnTo: string | null, isQuestion: boolean): Html =>
  returnTo === null
    ? html``
    : html`<div class="actions">
        <a class="button ${isQuestion ? 'quiet' : 'second'}" href="${returnTo}">Continue without an organization</a>
      </div>`;
