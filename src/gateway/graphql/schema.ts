import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { GraphQLScalarType, type GraphQLSchema } from 'graphql';
import { DateTimeResolver, JSONObjectResolver, JSONResolver, SafeIntResolver } from 'graphql-scalars';
import { domains } from '../../domains/index.js';
import { printUtc } from '../../instant.js';
import { Catalogue } from '../../permissions/catalogue.js';
import { type AccessTable, accessTable, guard } from '../../permissions/shield.js';
import { nameTakenArguments } from '../../resource/taken-arguments.js';
import { answerOnce } from './answer-once.js';
import { boundArguments } from './argument-bounds.js';
import { countItems } from './count-items.js';
import { noteRefusedMutations } from './note-refusals.js';

const SCHEMA_DIRECTORY = fileURLToPath(new URL('../../../schema', import.meta.url));

export interface Contract {
  /** Executable: the contract, the domains behind it, the rules in front. */
  readonly schema: GraphQLSchema;
  readonly catalogue: Catalogue;
  readonly access: AccessTable;
}

let contract: Contract | undefined;

/**
 * The contract, the domains and the rules, put together once: it is the same whoever serves it, and takes longer than all else
 * that a server is made of.
 *
 * @throws when a field has no rule, or a rule no permission
 */
export const createContract = (): Contract => (contract ??= putTogether());

function putTogether(): Contract {
  const typeDefs = readdirSync(SCHEMA_DIRECTORY)
    .filter((file) => file.endsWith('.graphql'))
    .sort()
    .map((file) => readFileSync(`${SCHEMA_DIRECTORY}/${file}`, 'utf8'));
  const scalars = {
    DateTime,
    SafeInt,
    JSON: JSONResolver,
    JSONObject: JSONObjectResolver,
  };
  const resolvers = [scalars, ...typeDefs.flatMap(countsOf), ...domains.map((domain) => domain.resolvers)];
  const bare = makeExecutableSchema({ typeDefs, resolvers: resolvers as never });
  const catalogue = new Catalogue(domains.flatMap(({ grants }) => (grants ? [grants] : [])));
  const access = accessTable(bare, domains, catalogue);
  return {
    schema: boundArguments(noteRefusedMutations(guard(countItems(answerOnce(nameTakenArguments(bare))), access))),
    catalogue,
    access,
  };
}

/** The library's answers a Date, which JSON then asks to print itself; in a list that took longer than all else of it. */
const DateTime = new GraphQLScalarType({
  ...DateTimeResolver.toConfig(),
  serialize: (value) => printUtc(value instanceof Date ? value : DateTimeResolver.serialize(value)),
});

/** Columns of 64 bits are read as bigint. */
const SafeInt = new GraphQLScalarType({
  ...SafeIntResolver.toConfig(),
  serialize: (value) => SafeIntResolver.serialize(typeof value === 'bigint' ? Number(value) : value),
});

/** Counts are made when they are asked for, so they are promises, which only a resolver's answer may be. */
const countsOf = (sdl: string) =>
  [...sdl.matchAll(/^type (\w+Connection) /gm)].map(([, type]) => ({
    [type as string]: { totalCount: (page: { totalCount: Promise<number> }) => page.totalCount },
  }));
