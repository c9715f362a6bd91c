import { ApolloServer, type ApolloServerOptions, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import type { Authenticate, Credential } from '../context/authenticate.js';
import { type ContextServices, RequestContext, type Viewer } from '../context/context.js';
import { type Entered, enterOrganization } from '../context/enter-organization.js';
import { enterWithKey } from '../context/enter-with-key.js';
import { namedOrganizations, type OrganizationHeaders } from '../context/resolve-organization.js';
import { Stop, stoppable } from '../data/org-connection.js';
import { hashSecret } from '../data/secret.js';
import type { Sessions } from '../data/sessions.js';
import { OrgateError } from '../errors.js';
import { createExecute } from './execute.js';
import { createFormatError } from './format-error.js';
import { errorBody } from './http.js';
import { limitFields, limitViewer, networkOf } from './limit-requests.js';
import { isLocalHost } from './local-host.js';
import { costLimit, QUERY_LIMITS, structureRule } from './query-limits.js';
import type { RateLimits } from './rate-limits.js';
import { acceptsGraphQLResponse, refusal } from './refusal.js';
import { currentRecord, type RequestRecord, withRecord } from './request-record.js';
import type { Contract } from './schema.js';
import type { IsFromOwnPage } from './sign-in/own-page.js';
import { clearSessionCookie, readSessionCookie } from './sign-in/session-cookie.js';

/** What tells who asks. */
export interface ContextParts {
  readonly authenticate: Authenticate;
  readonly isFromOwnPage: IsFromOwnPage;
  readonly services: ContextServices;
  readonly limits: RateLimits;
}

export interface GraphQLParts extends ContextParts {
  readonly contract: Contract;
  readonly introspection: boolean;
  /** Of one operation; see query-limits. */
  readonly maxCost: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    record: RequestRecord | null;
  }
}

/** Serves GraphQL over HTTP at /graphql. */
export async function serveGraphQL(app: FastifyInstance, parts: GraphQLParts): Promise<ApolloServer<RequestContext>> {
  const apollo = new ApolloServer<RequestContext>({
    gateway: asGateway(parts.contract.schema),
    introspection: parts.introspection,
    hideSchemaDetailsFromClientErrors: !parts.introspection,
    includeStacktraceInErrorResponses: false,
    // A query is told by its own text; hashes kept across organizations would be one more thing to prove.
    persistedQueries: false,
    // Apollo's own adds a line feed to every answer, by copying it.
    stringifyResult: (value) => JSON.stringify(value),
    stopOnTerminationSignals: false,
    maxRecursiveSelections: QUERY_LIMITS.recursiveSelections,
    parseOptions: { maxTokens: QUERY_LIMITS.tokens },
    validationRules: [structureRule],
    formatError: createFormatError((error, requestId) => app.log.error({ err: error, requestId }, 'unexpected error')),
    logger: app.log,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      // Its bookkeeping per field is a third of the CPU, and what it would set is per viewer anyway.
      ApolloServerPluginCacheControlDisabled(),
      record,
      costLimit(parts.maxCost),
      limitFields(parts.limits),
      legacyStatus,
    ],
  });
  await apollo.start();
  const handler = fastifyApolloHandler(apollo, { context: (request, reply) => createContext(request, reply, parts) });
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    handler(request, reply) {
      // The Host header is the client's; one that is no host name would fail further in, as if the fault were ours.
      if (!URL.canParse(`http://${request.hostname}/`)) {
        return reply.code(400).send(errorBody('BAD_REQUEST', 'The Host header names no host.', request.id));
      }
      request.record = { requestId: request.id, address: networkOf(request.ip), codes: [] };
      const answer = () => handler.call(app, request as never, reply as never);
      return withRecord(request.record, () => stoppable(stopWhenClientLeaves(request, reply), answer)) as unknown;
    },
  });
  const refuseMethod = async (request: FastifyRequest, reply: FastifyReply) =>
    reply
      .code(405)
      .header('allow', 'GET, POST')
      .send(errorBody('METHOD_NOT_ALLOWED', 'Send GET or POST.', request.id));
  // Before the body is read: whatever it holds, the method is what is wrong.
  app.route({ url: '/graphql', method: ['PUT', 'PATCH', 'DELETE'], onRequest: refuseMethod, handler: refuseMethod });
  return apollo;
}

/** Apollo takes an executor from what it calls a gateway only. */
function asGateway(schema: GraphQLSchema): NonNullable<ApolloServerOptions<RequestContext>['gateway']> {
  const execute = createExecute(schema);
  return {
    onSchemaLoadOrUpdate(listen) {
      listen({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => undefined;
    },
    load: async () => ({
      executor: async ({ document, operationName, request, context }) =>
        execute({ document, operationName, variableValues: request.variables, contextValue: context }),
    }),
    stop: async () => undefined,
  };
}

const createContext = (request: FastifyRequest, reply: FastifyReply, parts: ContextParts): Promise<RequestContext> =>
  openContext(request, reply, parts).catch((error: unknown) => {
    throw error instanceof OrgateError ? refusal(error, request.headers.accept) : error;
  });

/**
 * Who asks, and in which organization, by all that the request carries; nobody, where it carries nothing.
 *
 * @throws OrgateError when what it carries does not hold, or comes too often
 */
export async function openContext(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: ContextParts,
): Promise<RequestContext> {
  const { services, authenticate } = parts;
  const cookie = readSessionCookie(request);
  const cookieHash = cookie === null ? null : hashSecret(cookie);
  let credential: Credential | null = null;
  try {
    credential = await authenticate(request.headers.authorization, isLocalHost(request.hostname));
    if (!credential && cookieHash !== null) {
      if (!parts.isFromOwnPage(request))
        throw new OrgateError('FORBIDDEN', 'A page of another site sent this request.');
      credential = { kind: 'cookie', cookieHash, organizationClaim: null };
    }
    const entered = credential
      ? await enter(credential, request.headers as OrganizationHeaders, cookieHash, services)
      : { viewer: null, current: null };
    const context = new RequestContext(request.id, entered.viewer, entered.current, services);
    if (request.record) request.record.context = context;
    if (entered.viewer) noteUse(services.sessions, entered.viewer, request);
    await limitViewer(parts.limits, context);
    return context;
  } catch (error) {
    // A cookie whose session is over has nothing more to say.
    const isOver = error instanceof OrgateError && error.code === 'UNAUTHENTICATED';
    if (isOver && credential?.kind === 'cookie') clearSessionCookie(reply);
    throw error;
  }
}

function enter(
  credential: Credential,
  headers: OrganizationHeaders,
  cookieHash: string | null,
  services: ContextServices,
): Promise<Entered> {
  const named = namedOrganizations(headers, credential.organizationClaim);
  // A key names no person, so a cookie beside it cannot name another.
  if (credential.kind === 'key') return enterWithKey(services, credential, named);
  return enterOrganization(services, credential, named, credential.kind === 'cookie' ? null : cookieHash);
}

const USE_NOTED_MS = 5 * 60_000;

/** Notes now and then that a session is in use; nobody waits for it. */
function noteUse(sessions: Sessions, { session: { id, lastUsedAt } }: Viewer, { log }: FastifyRequest): void {
  if (id === null || lastUsedAt === null || Date.now() - lastUsedAt.getTime() < USE_NOTED_MS) return;
  sessions.touch(id).catch((err: unknown) => log.warn({ err }, 'the use of a session was not noted'));
}

/** Reading stops when nobody waits for it any more; a mutation is finished. */
function stopWhenClientLeaves(request: FastifyRequest, reply: FastifyReply): Stop {
  const stop = new Stop();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished && request.record?.operationType === 'query') stop.stop();
  });
  return stop;
}

/** Says of the request what its log line needs. */
const record: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async didResolveOperation({ operationName, operation }) {
        const current = currentRecord();
        if (!current) return;
        current.operationName = operationName?.slice(0, 200);
        if (operation) current.operationType = operation.operation;
      },
    };
  },
};

/**
 * GraphQL over HTTP: in the legacy `application/json` an answer in GraphQL's own terms is a 200, refused or not. What was
 * no GraphQL request at all stays a 400.
 */
const legacyStatus: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response: { http, body }, request }) {
        if (http.status !== 400 || body.kind !== 'single') return;
        if (acceptsGraphQLResponse(request.http?.headers.get('accept'))) return;
        if (body.singleResult.errors?.[0]?.extensions?.['code'] !== 'BAD_REQUEST') http.status = 200;
      },
    };
  },
};
