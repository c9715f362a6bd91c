import { CombinedGraphQLErrors } from '@apollo/client';

/** What the gateway said was wrong, first of all; undefined where nothing came back from it. */
const firstOf = (error: unknown) => (CombinedGraphQLErrors.is(error) ? error.errors[0] : undefined);

const extension = (error: unknown, name: string): unknown => firstOf(error)?.extensions?.[name];

/** One of the closed set: README.md, Errors. */
export function codeOf(error: unknown): string | undefined {
  const code = extension(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/** The dotted path of the argument at fault, such as `input.email`. */
export const argumentOf = (error: unknown): unknown => extension(error, 'argument');

/** In how many seconds the same may be sent again, for nothing was done; null where that would not help. */
export function retryAfterOf(error: unknown): number | null {
  const seconds = extension(error, 'retryAfter');
  return typeof seconds === 'number' ? seconds : null;
}

/** The whole request was refused, no field of it: the organization that it names is none of this person's, or no longer. */
export const isNoMember = (error: unknown): boolean =>
  codeOf(error) === 'NOT_FOUND' && firstOf(error)?.path === undefined;

/** This person may do less than the page shows, is no member any more, or is signed out: the page asks who they are now. */
export const saysStandingChanged = (error: unknown): boolean =>
  isNoMember(error) || ['FORBIDDEN', 'ROLE_ESCALATION', 'UNAUTHENTICATED'].includes(codeOf(error) ?? '');

/** What to tell people. The id finds the request in the gateway's log. */
export function messageOf(error: unknown): string {
  const first = firstOf(error);
  if (!first) return 'The gateway cannot be reached. Try again shortly.';
  switch (codeOf(error)) {
    case 'FORBIDDEN':
    case 'ROLE_ESCALATION':
      return `${first.message} Your role may have changed.`;
    case 'INTERNAL_SERVER_ERROR':
      return `${first.message} (${String(extension(error, 'requestId'))})`;
    default:
      return first.message;
  }
}
