import type { FastifyInstance } from 'fastify';
import { type GraphQLSchema, printSchema } from 'graphql';

/** The contract as a file, for code generation: what introspection says, in the language that it is written in. */
export const sdlOf = (schema: GraphQLSchema): string => `${printSchema(schema)}\n`;

/** Serves it at /schema.graphql, to whoever may ask by introspection. */
export function serveSdl(app: FastifyInstance, schema: GraphQLSchema): void {
  const sdl = sdlOf(schema);
  app.get('/schema.graphql', (_request, reply) => reply.type('text/plain; charset=utf-8').send(sdl));
}
