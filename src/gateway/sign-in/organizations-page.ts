import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Outside } from '../../data/connection/outside.js';
import { openDirectory } from '../../identity/directory.js';
import { html, sendPage } from '../pages/page.js';
import { withOrganization } from './return-to.js';
import { clearSessionCookie } from './session-cookie.js';
import { findSignedIn } from './signed-in.js';

const SHOWN = 100;

/**
 * Whoever has signed in chooses where to work, unless their only organization or their default says so. Nothing is
 * stored by that: the page they came for is told, and names the organization in its requests.
 */
export async function sendOrganizations(
  outside: Outside,
  request: FastifyRequest,
  reply: FastifyReply,
  returnTo: string | null,
): Promise<FastifyReply> {
  const found = await findSignedIn(outside, request);
  if (!found) {
    clearSessionCookie(reply);
    return reply.redirect(`/auth${asQuery(returnTo)}`, 303);
  }
  const { person, memberships, session } = found;
  const [only] = memberships.length === 1 ? memberships : [];
  const chosen = memberships.find(({ organization }) => organization.id === person.defaultOrgId) ?? only;
  if (returnTo !== null && chosen) return reply.redirect(withOrganization(returnTo, chosen.organization.slug), 303);

  const { boundOrgId, startedAt } = session;
  const reach = { personId: person.id, boundOrgId, startedAt };
  const available = await outside(openDirectory).listMemberships(reach, {
    orderBy: { id: 'asc' },
    past: undefined,
    take: SHOWN,
  });
  const rows = available.map(({ organization: { id, name, slug }, role }) => {
    const label = returnTo === null ? html`${name}` : html`<a href="${withOrganization(returnTo, slug)}">${name}</a>`;
    return html`<tr>
      <td>${label}</td>
      <td>${slug}</td>
      <td>${role}${id === person.defaultOrgId ? ', by default' : ''}</td>
    </tr>`;
  });
  const onward = returnTo === null ? html`` : html`<p><a href="${returnTo}">Go on without one</a></p>`;
  const list =
    rows.length > 0
      ? html`<table>
          ${rows}
        </table>`
      : html`<p>You do not belong to an organization yet.</p>`;
  const question = returnTo !== null && rows.length > 0 ? 'Where do you want to work?' : 'You are signed in';
  return sendPage(
    reply,
    200,
    question,
    html`<h1>${question}</h1>
      <p>${person.name}, ${person.email}</p>
      ${list}${onward}`,
  );
}

export const asQuery = (returnTo: string | null): string =>
  returnTo === null ? '' : `?return_to=${encodeURIComponent(returnTo)}`;
