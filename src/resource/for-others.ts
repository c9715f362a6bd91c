import type { RequestContext } from '../context/context.js';
import { OrgateError } from '../errors.js';
import { given } from './input.js';

/**
 * Holds whoever acts as a member to what may be said for somebody else. All that is not named is refused, so that what an input has more in
 * a later release begins shut to them.
 *
 * @throws FORBIDDEN on the first argument that nobody gives for somebody else
 */
export function assertSaysFor({ viewer }: RequestContext, said: object, sayable: readonly string[] = []): void {
  const kept = viewer?.impersonation ? Object.keys(given(said)).find((name) => !sayable.includes(name)) : undefined;
  if (kept === undefined) return;
  throw new OrgateError('FORBIDDEN', `Nobody says ${kept} for somebody else.`, { argument: `input.${kept}` });
}
