import type { FastifyInstance } from 'fastify';
import { UnreadBodyError } from './bodies/unread-body-error.js';

/** Pages and identity providers send a handful; each costs time to decode, however short it is. */
const MOST_FIELDS = 100;

/** Has the routes of a scope take forms and nothing else, as objects of the last value of each field. */
export function acceptForms(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, body: string) => {
      if (hasMoreThan(MOST_FIELDS, body)) {
        throw new UnreadBodyError(413, `The form has more than ${MOST_FIELDS} fields.`);
      }
      return Object.fromEntries(new URLSearchParams(body));
    },
  );
}

/** Looks no further than it has to, and makes nothing. */
function hasMoreThan(most: number, form: string): boolean {
  let fields = 1;
  for (let at = form.indexOf('&'); at >= 0 && fields <= most; at = form.indexOf('&', at + 1)) fields += 1;
  return fields > most;
}
