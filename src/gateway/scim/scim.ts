import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { enterDirectory } from '../../context/enter-directory.js';
import type { Hosts } from '../../context/hosts.js';
import { isRefusal, type NoteRefusals } from '../../context/refusal.js';
import { namedByHost } from '../../context/resolve-organization.js';
import { notePurpose, Stop, stoppable, tellWhenWaiting } from '../../data/connection/org-connection.js';
import type { Outside } from '../../data/connection/outside.js';
import { ReadBound, readLimits } from '../../data/connection/read-bound.js';
import type { Act } from '../../data/connection/act.js';
import type { OrgId } from '../../data/id.js';
import type { OpenOrganizationDb } from '../../data/organization/organization-db.js';
import {
  createGroup,
  deleteGroup,
  getGroup,
  type GroupChange,
  type ProvisionedGroup,
  replaceGroup,
  updateGroup,
} from '../../domains/scim-directory/provision-group.js';
import {
  createUser,
  deleteUser,
  type DirectoryContext,
  getUser,
  updateUser,
} from '../../domains/scim-directory/provision-user.js';
import { OrgateError } from '../../errors.js';
import { openScimDirectories } from '../../identity/scim-directories.js';
import { openSessions } from '../../identity/sessions.js';
import { asError } from '../../thrown.js';
import { announcedLength } from '../http/bodies/receive-bodies.js';
import { assertServed } from '../../permissions/organization-status.js';
import { countScimRequest, type Metrics } from '../http/metrics.js';
import { inSlot, type Slots, takeSlot } from '../http/slots.js';
import type { RateLimits } from '../http/rate-limits.js';
import { idsOf } from '../http/request-record.js';
import { refusedRouting, tellRouting } from '../http/tell-routing.js';
import { watchAnswers } from '../http/watch-answers.js';
import { onceDone, whenOver } from '../http/when-over.js';
import { boundBodies, chargeBytes, chargeBytesAfter, LargeBodies } from './bound-bodies.js';
import { resourceTypes, schemas, serviceProviderConfig } from './discovery.js';
import { type GroupBody, readGroupChange } from './group-change.js';
import { locationOf, writeGroup, writeWith } from './group-resource.js';
import { listGroups, type ListParameters, listResponse, listUsers, pageResponse } from './list.js';
import { readPatch, readResource } from './operations.js';
import { isText, SCIM, ScimError, toFailure } from './protocol.js';
import { readSelection, type SelectionParameters } from './selection.js';
import { applyToUser, readUser, userResource } from './user-resource.js';

export interface ScimParts {
  readonly outside: Outside;
  readonly organizationDb: OpenOrganizationDb;
  readonly hosts: Hosts;
  readonly limits: RateLimits;
  readonly refusals: NoteRefusals;
  readonly slots: Slots;
  readonly publicUrl: () => string;
  readonly realTime: () => Date;
  /** Of one answer of GraphQL, in characters; four times as much may be read for one here, too. */
  readonly maxAnswer: number;
  readonly metrics: Metrics;
}

declare module 'fastify' {
  interface FastifyRequest {
    directory: (DirectoryContext & { readonly orgId: OrgId }) | null;
    noteRefusal: ((error: unknown) => void) | null;
    held: ReadBound | null;
  }
}

const PREFIX = '/scim/v2';

const MEDIA_TYPE = `${SCIM.mediaType}; charset=utf-8`;

const MINUTE_MS = 60_000;

const READING: ReadonlySet<string> = new Set(['GET', 'HEAD']);

const VERBS: Readonly<Record<string, string>> = {
  POST: 'created',
  PUT: 'updated',
  PATCH: 'updated',
  DELETE: 'deleted',
};

/** What a request would have been in the record; null of one that reads. */
function actionOf({ method, routeOptions: { url = '' } }: FastifyRequest): string | null {
  const verb = VERBS[method];
  return verb ? `${url.includes('/Groups') ? 'scim_group' : 'scim_user'}.${verb}` : null;
}

type ById = { Params: { id: string } };
type Listed = { Querystring: ListParameters & SelectionParameters };

/** Serves SCIM 2.0 to the directories of organizations, each of which sees what it made and nothing else. */
export function serveScim(app: FastifyInstance, parts: ScimParts): void {
  const { outside, organizationDb, hosts, limits, refusals, slots, publicUrl, realTime, maxAnswer, metrics } = parts;
  const base = () => `${publicUrl()}${PREFIX}`;

  const largeBodies = new LargeBodies();
  const watchAnswer = watchAnswers(app);
  const held = readLimits(maxAnswer);

  async function enter(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const host = hosts.nameIn(request.host);
    const named = namedByHost(host);
    const { orgId, directoryId, name, tokenHash, organizationStatus, lastUsedAt } = await enterDirectory(
      outside,
      request.headers.authorization,
      host,
    ).catch((error: unknown) => {
      const refused = refusedRouting(named, error);
      if (refused) tellRouting(request, refused);
      throw error;
    });
    tellRouting(request, { named, outcome: 'ENTERED', organization: orgId, source: 'TOKEN', directory: directoryId });
    if (Object.values(request.params as object).some((each) => String(each).includes('\0')))
      throw new OrgateError('NOT_FOUND');
    if (Object.values(request.query as object).some(Array.isArray)) {
      throw new ScimError('invalidValue', 'A parameter is given once.');
    }
    if (!Object.values(request.params as Record<string, string>).every(isText)) throw new OrgateError('NOT_FOUND');
    await limits.count('key', directoryId);
    await limits.count('organization', orgId);
    const act: Act = { kind: 'DIRECTORY', id: directoryId, requestId: request.id, address: request.ip };
    const actHere = { ...act, name };
    request.noteRefusal = (error) => {
      const action = actionOf(request);
      if (action && isRefusal(error)) refusals.note({ orgId, act: actHere, tried: { action }, error });
    };
    if (organizationStatus === 'PENDING_DELETION' || !READING.has(request.method))
      assertServed({ status: organizationStatus });
    largeBodies.take(orgId, request, reply);
    await chargeBytes(limits, announcedLength(request) ?? 0, { directoryId, orgId });
    const db = organizationDb(orgId, actHere);
    request.directory = {
      db,
      orgId,
      directoryId,
      tokenHash,
      personOf: (email) => outside(openScimDirectories).personOf(email, act),
      endSessions: (personId) => outside(openSessions).endAll({ personId, boundOrgId: orgId }, 'REVOKED', act),
    };
    // Nobody waits for it, and a minute more or less tells nothing.
    const now = realTime();
    if (now.getTime() - (lastUsedAt?.getTime() ?? 0) < MINUTE_MS) return;
    db.scimDirectory
      .update({ id: directoryId }, { lastUsedAt: now })
      .catch((err: unknown) => request.log.warn({ err }, 'the use of a directory was not noted'));
  }

  void app.register(
    async (scim) => {
      scim.decorateRequest('directory', null);
      scim.decorateRequest('held', null);
      scim.decorateRequest('noteRefusal', null);
      boundBodies(scim);
      scim.setErrorHandler((error, request, reply) => sendFailure(error, request, reply));
      scim.setNotFoundHandler((request, reply) => sendFailure(new OrgateError('NOT_FOUND'), request, reply));
      scim.addHook('onRequest', (request, reply) => inSlot(slots, request.network, reply, () => enter(request, reply)));
      scim.addHook('preSerialization', async (_request, reply, payload) => {
        reply.type(MEDIA_TYPE);
        return payload;
      });
      // What is read, and an answer until it is taken, is bounded as it is of GraphQL; a change is finished.
      scim.addHook('preHandler', (request, reply, done) => {
        const { directory } = request;
        if (!directory) return done();
        const bound = new ReadBound(held);
        bound.belongTo(directory.orgId);
        request.held = bound;
        whenOver(reply.raw, () => bound.release());
        stoppable(new Stop(bound), () => {
          notePurpose(`${request.method} ${request.routeOptions.url}`);
          if (request.letOthersWork) tellWhenWaiting(request.letOthersWork);
          takeSlot(slots, directory.orgId, [request, reply], done, (error) => done(asError(error)));
        });
      });
      scim.addHook('onSend', async (request, reply, payload) => {
        const { directory, unannouncedBytes, slot } = request;
        slot?.leave();
        const answered = typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0;
        watchAnswer(reply);
        if (directory) await chargeBytesAfter(limits, unannouncedBytes + answered, directory);
        if (READING.has(request.method)) request.held?.printed(answered);
        else request.held?.hold(answered);
        return payload;
      });
      onceDone(scim, (request, reply) => {
        const { method, routeOptions, directory } = request;
        countScimRequest(metrics, request, reply);
        request.log.info(
          {
            ...idsOf(request),
            method,
            route: routeOptions.url,
            directory: directory?.directoryId,
            status: reply.statusCode,
            durationMs: Math.round(reply.elapsedTime * 10) / 10,
          },
          'scim',
        );
      });
      serveDiscovery(scim, base);
      serveUsers(scim, base);
      serveGroups(scim, base);
    },
    { prefix: PREFIX },
  );
}

function serveDiscovery(scim: FastifyInstance, base: () => string): void {
  const all = (resources: readonly object[]) =>
    listResponse({ total: resources.length, startIndex: 1, resources }, (each) => each);
  const one = (resources: readonly { id: string }[], id: string) => {
    const found = resources.find((each) => each.id.toLowerCase() === id.toLowerCase());
    if (!found) throw new OrgateError('NOT_FOUND');
    return found;
  };
  scim.get('/ServiceProviderConfig', async () => serviceProviderConfig(base()));
  scim.get('/ResourceTypes', async () => all(resourceTypes(base())));
  scim.get<ById>('/ResourceTypes/:id', async ({ params }) => one(resourceTypes(base()), params.id));
  scim.get('/Schemas', async () => all(schemas(base())));
  scim.get<ById>('/Schemas/:id', async ({ params }) => one(schemas(base()), params.id));
}

function serveUsers(scim: FastifyInstance, base: () => string): void {
  scim.get<Listed>('/Users', async (request) => {
    const { select } = readSelection(request.query);
    return listResponse(await listUsers(request.query, entered(request)), (user) => select(userResource(user, base())));
  });
  scim.post('/Users', async (request, reply) => {
    const user = userResource(await createUser(readUser(readResource(request.body)), entered(request)), base());
    return reply.code(201).header('location', user.meta.location).send(user);
  });
  scim.get<ById & Listed>('/Users/:id', async (request) => {
    const { select } = readSelection(request.query);
    return select(userResource(await getUser(request.params.id, entered(request)), base()));
  });
  scim.put<ById>('/Users/:id', async (request) => {
    const operations = readResource(request.body);
    const changed = await updateUser(request.params.id, (before) => readUser(operations, before), entered(request));
    return userResource(changed, base());
  });
  scim.patch<ById>('/Users/:id', async (request) => {
    const operations = readPatch(request.body);
    const changed = await updateUser(request.params.id, (before) => applyToUser(before, operations), entered(request));
    return userResource(changed, base());
  });
  scim.delete<ById>('/Users/:id', async (request, reply) => {
    await deleteUser(request.params.id, entered(request));
    return reply.code(204).send();
  });
}

function serveGroups(scim: FastifyInstance, base: () => string): void {
  const whole = readSelection({});
  const answer = async (reply: FastifyReply, group: ProvisionedGroup) =>
    reply.type(MEDIA_TYPE).send(await writeGroup(group, { selection: whole, base: base() }));
  /** What is read is refused where it is more than may be held; what was carried out is answered. */
  const reading = (request: FastifyRequest<Listed>) => ({
    base: base(),
    selection: readSelection(request.query),
    count: (bytes: number) => request.held?.count(bytes),
  });
  scim.get<Listed>('/Groups', async (request, reply) => {
    const writing = reading(request);
    const page = await listGroups(request.query, writing.selection.wantsMembers, entered(request));
    async function* written() {
      for (const group of page.resources) yield await writeGroup(group, writing);
    }
    return reply.type(MEDIA_TYPE).send(await writeWith(pageResponse(page), 'Resources', written()));
  });
  scim.post('/Groups', async (request, reply) => {
    const group = await createGroup(changeOf(request), entered(request));
    return answer(reply.code(201).header('location', locationOf(group.row, base())), group);
  });
  scim.get<ById & Listed>('/Groups/:id', async (request, reply) => {
    const writing = reading(request);
    const group = await getGroup(request.params.id, writing.selection.wantsMembers, entered(request));
    return reply.type(MEDIA_TYPE).send(await writeGroup(group, writing));
  });
  scim.put<ById>('/Groups/:id', async (request, reply) =>
    answer(reply, await replaceGroup(request.params.id, changeOf(request), entered(request))),
  );
  scim.patch<ById>('/Groups/:id', async (request, reply) => {
    await updateGroup(request.params.id, changeOf(request), entered(request));
    // A group may be large, and whoever changed it knows how it is now.
    return reply.code(204).send();
  });
  scim.delete<ById>('/Groups/:id', async (request, reply) => {
    await deleteGroup(request.params.id, entered(request));
    return reply.code(204).send();
  });
}

/** @throws ScimError */
const changeOf = ({ body, method }: Pick<FastifyRequest, 'body' | 'method'>): GroupChange =>
  body === undefined ? readGroupChange(body, method) : (body as GroupBody)();

function entered({ directory }: FastifyRequest): DirectoryContext {
  if (!directory) throw new OrgateError('UNAUTHENTICATED');
  return directory;
}

function sendFailure(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  request.noteRefusal?.(error);
  const failure = toFailure(error);
  if (!failure) request.log.error({ err: error, ...idsOf(request) }, 'unexpected error');
  const { status, scimType, detail, retryAfter } = failure ?? {
    status: 500,
    detail: new OrgateError('INTERNAL_SERVER_ERROR').message,
  };
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="orgate"');
  if (retryAfter) reply.header('retry-after', String(retryAfter));
  return reply
    .code(status)
    .type(MEDIA_TYPE)
    .send({ schemas: [SCIM.error], status: String(status), ...(scimType && { scimType }), detail });
}
