import { type FieldNode, type GraphQLFieldResolver, type GraphQLSchema, isObjectType } from 'graphql';
import type { RequestContext } from '../../context/context.js';

/** What was answered in a request so far: to one place of one operation, of one object. */
class Answered {
  #byPlace = new Map<FieldNode, Map<object, unknown>>();
  #of: object | undefined;

  /** @param execution what is the same for all of an execution, and for no other */
  placesOf(execution: object): Map<FieldNode, Map<object, unknown>> {
    if (this.#of !== execution) this.forget();
    this.#of = execution;
    return this.#byPlace;
  }

  forget(): void {
    this.#byPlace = new Map();
    this.#of = undefined;
  }
}

const answeredIn = (): Answered => new Answered();

/** Lets go of what was answered. With all else that a request keeps it goes once its operation is over. */
export const forgetAnswered = (context: RequestContext): void => context.once(answeredIn).forget();

type Resolve = GraphQLFieldResolver<unknown, RequestContext>;

/**
 * Asks each resolver once for what stands once: at one place of an operation the arguments are the same, and so is the answer for one
 * and the same object, such as the organization that a hundred rows belong to. What a mutation did is seen by what is read after it.
 * Rules stand in front of this, and are asked each time.
 */
export function answerOnce(schema: GraphQLSchema): GraphQLSchema {
  const roots = new Set([schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]);
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || roots.has(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      if (field.resolve) field.resolve = once(field.resolve as Resolve);
    }
  }
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const { resolve } = field;
    if (!resolve) continue;
    field.resolve = async (parent, args, context: RequestContext, info) => {
      try {
        return (await resolve(parent, args, context, info)) as unknown;
      } finally {
        forgetAnswered(context);
      }
    };
  }
  return schema;
}

const once =
  (resolve: Resolve): Resolve =>
  (parent, args, context, info) => {
    const [place] = info.fieldNodes;
    if (typeof parent !== 'object' || parent === null || !place) return resolve(parent, args, context, info);
    const places = context.once(answeredIn).placesOf(info.variableValues);
    let answers = places.get(place);
    if (!answers) places.set(place, (answers = new Map()));
    if (answers.has(parent)) return answers.get(parent);
    const answer = resolve(parent, args, context, info);
    answers.set(parent, answer);
    return answer;
  };
