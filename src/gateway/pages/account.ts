import { html, type Html } from '../../html.js';
import { initial } from './look.js';

/**
 * Who is signed in in this browser, and the way to be somebody else.
 *
 * @param returnTo where that leads back to: a path of the gateway, or an address that it knows
 */
export function account(person: { readonly name: string; readonly email: string }, returnTo: string | null): Html {
  const back = returnTo === null ? '' : `&return_to=${encodeURIComponent(returnTo)}`;
  return html`<div class="who">
    ${initial(person.name)}
    <p>Signed in as ${person.name}<small>${person.email}</small></p>
    <a class="small" href="/auth?switch=1${back}">Switch<span class="unseen"> account</span></a>
  </div>`;
}
