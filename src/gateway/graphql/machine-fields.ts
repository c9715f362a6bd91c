import { type GraphQLSchema, TypeInfo, visit, visitWithTypeInfo } from 'graphql';
import type { Viewer } from '../../context/viewer.js';
import type { Operation } from './read-document.js';

/** The fields that a token is for, by their types. */
type Fields = Readonly<Record<string, readonly string[]>>;

/** A machine of the deployment claims. */
const OF_EXECUTORS: Fields = {
  Mutation: ['claimRuns'],
  ClaimRunsPayload: ['runs'],
  RunLease: ['runId', 'organizationId', 'token', 'attempt', 'leaseExpiresAt'],
};

/** Whoever claimed a run works on that. */
const OF_CLAIMS: Fields = {
  Query: ['claimedRun'],
  Mutation: ['recordRunProgress', 'resolveProvider', 'reportProviderHealth'],
  Run: [
    'id',
    'status',
    'input',
    'output',
    'error',
    'createdAt',
    'startedAt',
    'finishedAt',
    'attempts',
    'priority',
    'totalTokens',
    'totalCost',
    'totalCostMicros',
    'estimatedCostMicros',
    'stopRequested',
  ],
  RunStop: ['reason', 'at'],
  ClaimedRun: [
    'runId',
    'attempt',
    'leaseExpiresAt',
    'agentId',
    'agentName',
    'repositoryUrl',
    'input',
    'provider',
    'credentials',
  ],
  ProviderResolution: ['kind', 'attempt', 'name', 'model', 'reason', 'passedOver', 'at'],
  PassedOverProvider: ['provider', 'reason'],
  ProviderHealth: ['provider', 'healthy', 'detail', 'reportedAt', 'retryAt'],
  ClaimedCredential: ['id', 'kind', 'name', 'provider', 'config', 'secret'],
};

/**
 * What of an operation a machine's token is not for; null where it is for all of it, and for whoever is no machine. It is asked for all that
 * stands in the document: a rule of the contract is asked only for what there is a rule for, and most types show all that they have to
 * whoever got there.
 */
export function fieldThatNoMachineMay(
  schema: GraphQLSchema,
  { document }: Operation,
  viewer: Viewer | null,
): string | null {
  const allowed = viewer?.executor ? OF_EXECUTORS : viewer?.claim ? OF_CLAIMS : null;
  if (!allowed) return null;
  let forbidden: string | null = null;
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      Field({ name: { value: field } }) {
        const type = types.getParentType()?.name ?? '';
        if (field === '__typename' || (Object.hasOwn(allowed, type) && allowed[type]?.includes(field))) return;
        forbidden ??= field;
      },
    }),
  );
  return forbidden;
}
