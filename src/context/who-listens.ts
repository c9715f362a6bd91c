import type { RequestContext } from './context.js';

/** The person or key that listens, whichever organization they do it in. */
export const whoListens = ({ viewer, actorId }: RequestContext): string =>
  viewer?.apiKey?.id ?? viewer?.impersonation?.by.id ?? actorId;
