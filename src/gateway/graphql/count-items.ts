import {
  type FieldNode,
  getNamedType,
  getNullableType,
  type GraphQLFieldResolver,
  type GraphQLOutputType,
  type GraphQLSchema,
  isLeafType,
  isListType,
  isObjectType,
  type SelectionNode,
} from 'graphql';
import type { RequestContext } from '../../context/context.js';
import { noteHeld } from '../../data/connection/org-connection.js';

/** About what an answer holds for a field of an object until it is printed, at the least. */
const FIELD_BYTES = 32;

type Resolve = GraphQLFieldResolver<unknown, RequestContext>;

/**
 * Counts what lists come to while they are answered, as what the request holds in memory: the same object a thousand times over is
 * read once, and answered a thousand times. An operation that comes to too much ends there, and not once all of it is made.
 */
export function countItems(schema: GraphQLSchema): GraphQLSchema {
  const mutations = schema.getMutationType();
  for (const type of Object.values(schema.getTypeMap())) {
    // What a mutation answers was done, and is never told as a failure.
    if (!isObjectType(type) || type === mutations || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const bytesOf = weigh(field.type);
      if (field.resolve && bytesOf) field.resolve = counting(field.resolve as Resolve, bytesOf);
    }
  }
  return schema;
}

type Weigh = (answer: unknown, place: FieldNode | undefined) => number;

/** How much an answer of this type comes to; undefined of what is one thing. */
function weigh(type: GraphQLOutputType): Weigh | undefined {
  const named = getNamedType(type);
  const lengthOf = (list: unknown) => (Array.isArray(list) ? list.length : 0);
  if (isListType(getNullableType(type))) {
    if (isLeafType(named)) return (list) => FIELD_BYTES * lengthOf(list);
    return (list, place) => FIELD_BYTES * lengthOf(list) * (1 + selectionsOf(place));
  }
  if (!named.name.endsWith('Connection')) return undefined;
  return (page, place) => {
    const rows = lengthOf((page as { nodes?: unknown } | null)?.nodes);
    const parts = place?.selectionSet?.selections ?? [];
    return FIELD_BYTES * rows * parts.reduce((sum, part) => sum + selectionsOf(part), 1);
  };
}

/** A fragment counts as one: it is so many at the least. */
const selectionsOf = (node: SelectionNode | undefined): number =>
  node && 'selectionSet' in node ? (node.selectionSet?.selections.length ?? 0) : 0;

function counting(resolve: Resolve, bytesOf: Weigh): Resolve {
  return (parent, args, context, info) => {
    const counted = (answer: unknown): unknown => {
      noteHeld(bytesOf(answer, info.fieldNodes[0]));
      return answer;
    };
    const answer = resolve(parent, args, context, info);
    return answer instanceof Promise ? answer.then(counted) : counted(answer);
  };
}
