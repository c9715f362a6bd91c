import type { GraphQLSchema } from 'graphql';
import { applyMiddleware } from 'graphql-middleware';
import type { RequestContext } from '../../context/context.js';

type Resolve = (parent: unknown, args: unknown, context: RequestContext, info: { fieldName: string }) => unknown;

/** Notes what mutations refuse, by rule or while they are at work. */
export const noteRefusedMutations = (schema: GraphQLSchema): GraphQLSchema =>
  applyMiddleware(schema, { Mutation: noting as never });

async function noting(resolve: Resolve, ...[parent, args, context, info]: Parameters<Resolve>): Promise<unknown> {
  const tried = { mutation: info.fieldName };
  try {
    const answer = await resolve(parent, args, context, info);
    context.noteRefusal(tried, answer); // rules answer with what they refuse
    return answer;
  } catch (error) {
    context.noteRefusal(tried, error);
    throw error;
  }
}
