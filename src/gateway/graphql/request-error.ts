import { GraphQLError } from 'graphql';
import type { ErrorCode } from '../../errors.js';

/** What GraphQL calls a request error: the whole request is refused, and nothing of it ran. */
export function requestError(
  code: ErrorCode,
  message: string,
  { nodes, source, positions }: Partial<GraphQLError> = {},
) {
  const at = { nodes: nodes ?? null, source: source ?? null, positions: positions ?? null };
  return new GraphQLError(message, { ...at, extensions: { code } });
}
