import { html, type Html } from '../../html.js';
import { leadingTo } from '../sign-in/return-to.js';
import { initial } from './look.js';

/**
 * Who is signed in in this browser, and the ways to be somebody else, or nobody. It stands last, so that the keyboard comes to
 * what there is to do first.
 *
 * @param returnTo where that leads back to: a path of the gateway, or an address that it knows
 */
export function account(person: { readonly name: string; readonly email: string }, returnTo: string | null): Html {
  return html`<div class="who">
    ${initial(person.name)}
    <div>
      <p>Signed in as ${person.name}<small>${person.email}</small></p>
      <div class="ways">
        <a href="${leadingTo(returnTo, '/auth', true)}">Switch account</a>
        <form method="post" action="/auth/sign-out"><button class="link">Sign out</button></form>
      </div>
    </div>
  </div>`;
}
