import { isIPv6 } from 'node:net';
import type { ApolloServerPlugin } from '@apollo/server';
import type { FastifyInstance } from 'fastify';
import { type DocumentNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql';
import type { RequestContext } from '../context/context.js';
import { OrgateError } from '../errors.js';
import type { MutationResolvers } from '../generated/graphql.js';
import { errorBody } from './http.js';
import type { RateLimit, RateLimits } from './rate-limits.js';
import { refusal } from './refusal.js';
import { currentRecord } from './request-record.js';

/** Root fields that are limited more strictly than a request. Each time one is asked for counts, aliases too. */
const FIELDS: Readonly<Record<string, RateLimit>> = {
  inviteUser: 'invitation',
  resendInvitation: 'invitation',
  acceptInvitation: 'acceptance',
  declineInvitation: 'acceptance',
  requestNewInvitation: 'acceptance',
  requestToJoin: 'acceptance',
  switchOrganization: 'switching',
} satisfies Partial<Record<keyof MutationResolvers, RateLimit>>;

/** Paths that are, by how their routes begin. The first that fits counts; null is not limited any further. */
const PATHS: readonly (readonly [path: string, limit: RateLimit | null])[] = [
  ['/auth/token', null], // every browser renews its tokens here, many of them behind one address
  ['/auth/organizations', null], // where whoever has signed in comes out
  ['/auth', 'signIn'],
  ['/invitations', 'acceptance'],
];

/** Whoever watches over the process must never be told that it asks too often. */
const UNLIMITED: ReadonlySet<unknown> = new Set(['/livez', '/readyz']);

/** Counts every request against its address, before anything more is read of it. */
export function limitAddresses(app: FastifyInstance, limits: RateLimits): void {
  app.addHook('onRequest', async (request, reply) => {
    // The route as it was declared: a client can spell a path in many ways.
    const route = request.routeOptions.url;
    if (UNLIMITED.has(route)) return;
    const address = networkOf(request.ip);
    const [, stricter = null] = PATHS.find(([path]) => route?.startsWith(path)) ?? [];
    try {
      await limits.count('address', address);
      if (stricter) await limits.count(stricter, address);
    } catch (error) {
      if (!(error instanceof OrgateError)) throw error;
      const { code, message, detail } = error;
      return reply
        .code(429)
        .header('retry-after', String(detail.retryAfter))
        .send(errorBody(code, message, request.id, detail));
    }
  });
}

/** Counts a request against who asks and then, if that passes, against their organization: nobody uses up its share alone. */
export async function limitViewer(
  limits: RateLimits,
  { viewer, current }: Pick<RequestContext, 'viewer' | 'current'>,
): Promise<void> {
  if (viewer?.person) await limits.count('person', viewer.person.id);
  else if (viewer?.apiKey) await limits.count('key', viewer.apiKey.id);
  if (current) await limits.count('organization', current.orgId);
}

/** Counts the root fields that are limited more strictly, and refuses the operation before any of it runs. */
export function limitFields(limits: RateLimits): ApolloServerPlugin<RequestContext> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, contextValue, request }) {
          if (!operation) return;
          for (const [limit, times] of limitedFields(document, operation.selectionSet)) {
            try {
              for (const subject of subjectsOf(limit, contextValue)) await limits.count(limit, subject, times);
            } catch (error) {
              throw error instanceof OrgateError ? refusal(error, request.http?.headers.get('accept')) : error;
            }
          }
        },
      };
    },
  };
}

/** Whom a limit counts against: mail to strangers is also the organization's doing, and anyone can sign up twice. */
function subjectsOf(limit: RateLimit, { viewer, current }: RequestContext): string[] {
  const address = currentRecord()?.address;
  const subjects = [
    viewer?.person?.id ?? current?.membership.userId,
    ...(limit === 'invitation' ? [current?.orgId] : []),
    ...(limit === 'acceptance' ? [address] : []),
  ];
  return subjects.filter((each) => each !== undefined);
}

/** How often each limit is asked for at the root, through fragments too. Those that `@skip` would leave out count. */
function limitedFields(document: DocumentNode, root: SelectionSetNode): Map<RateLimit, number> {
  const times = new Map<RateLimit, number>();
  const visit = ({ selections }: SelectionSetNode): void => {
    for (const node of selections) {
      if (node.kind === Kind.INLINE_FRAGMENT) visit(node.selectionSet);
      else if (node.kind === Kind.FRAGMENT_SPREAD) visit(fragment(document, node.name.value).selectionSet);
      else {
        const limit = Object.hasOwn(FIELDS, node.name.value) && FIELDS[node.name.value];
        if (limit) times.set(limit, (times.get(limit) ?? 0) + 1);
      }
    }
  };
  visit(root);
  return times;
}

/** The document was validated: each fragment is there, and none holds itself. */
const fragment = ({ definitions }: DocumentNode, name: string): FragmentDefinitionNode =>
  definitions.find(
    (node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION && node.name.value === name,
  ) as FragmentDefinitionNode;

/** An address as one party holds it: of IPv6 the /64 that everyone is given whole. */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  const address = ip.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(address)) return address;
  const [left = '', right = ''] = address.split('::');
  const groups = left === '' ? [] : left.split(':');
  const missing = address.includes('::') ? 8 - groups.length - right.split(':').filter(Boolean).length : 0;
  const full = [...groups, ...Array.from({ length: missing }, () => '0'), ...right.split(':').filter(Boolean)];
  return `${full
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
