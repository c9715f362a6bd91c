import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { Agent as HttpAgent, type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { CustomFetch } from 'openid-client';
import { type JsonBounds, measureJson } from '../bound-json.js';
import { part } from '../parts.js';
import { type EgressRule, isAllowed, type Whom } from './allow.js';

/** An address that an organization chose leads into the network that the gateway itself stands in. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
}

/** What identity providers answer: keys, tokens and claims are a few kilobytes. */
const MAX_BYTES = 262_144;
/** What those may be made of: a person may be in a few thousand groups. */
const BOUNDS: JsonBounds = { elements: 10_000, names: 1000, levels: 16 };

/** Statuses of answers that have no body. */
export const EMPTY: ReadonlySet<number> = new Set([204, 205, 304]);

/** A list for each family: one of both takes every IPv4 address for the IPv6 one that carries it, `::ffff:0:0`. */
const PRIVATE = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.ipv4.addSubnet(network, prefix, 'ipv4');
}
// Everything but global unicast; and of that what carries an IPv4 address inside.
for (const [network, prefix] of [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 32],
  ['2002::', 16],
] as const) {
  PRIVATE.ipv6.addSubnet(network, prefix, 'ipv6');
}

function isPrivate(address: string): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  return PRIVATE[family].check(address, family);
}

/** How long a name server is waited for the first time; then twice as long. */
const TRY_MS = 2000;
const TRIES = 2;

/**
 * Asks name servers without the system's help. That takes a thread for as long as they are silent, and there are two of
 * them for all names: an organization that chooses a silent one's would keep the database and everybody else's providers
 * from being found.
 */
async function findAddresses(hostname: string, servers: readonly string[]): Promise<LookupAddress[]> {
  if (/(^|\.)localhost$/.test(hostname)) throw new PrivateAddressError();
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  const asked = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = asked.flatMap((answer, index) =>
    answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family: index === 0 ? 4 : 6 })) : [],
  );
  if (found.length === 0) throw asked.find((answer) => answer.status === 'rejected')?.reason ?? new Error('no address');
  return found;
}

/**
 * Resolves a name, and refuses it if any of its addresses is private: what is checked is what is connected to.
 *
 * @param servers addresses of name servers; those of the machine when empty
 */
export const lookupPublic =
  (servers: readonly string[] = []): LookupFunction =>
  (hostname, options, callback) =>
    findAddresses(hostname, servers).then(
      (addresses) => {
        const [first] = addresses;
        if (!first || addresses.some(({ address }) => isPrivate(address))) callback(new PrivateAddressError(), '');
        else if (options.all) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );

/** How long one is waited for that says nothing of its own. */
const MOST_MS = 15_000;
/** How long an address is looked up that is about to be saved. What is not known by then is checked once it is connected to. */
const CHECK_MS = 3000;
/** Looked up at once before they are saved. Of more, nothing is known then. */
const CHECKS = 50;

export interface EgressRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal?: AbortSignal | undefined;
}

export interface EgressAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * The way out to addresses that organizations choose. It leads nowhere into the network that the gateway stands in, unless the deployment
 * named the host for this: all addresses of a name are looked at, when it is connected to. Redirects are not followed, and
 * answers are bounded in length and time.
 */
export interface Egress {
  /** What `openid-client` fetches with. @throws PrivateAddressError */
  fetchFor(whom: Whom): CustomFetch;
  /** @param most bytes of the answer that are read; what follows is left. @throws PrivateAddressError */
  send(url: URL, request: EgressRequest, most: number, whom: Whom): Promise<EgressAnswer>;
  /**
   * Whether an address that is about to be saved leads inside, as far as the DNS tells at once. It is asked again when
   * it is connected to.
   */
  leadsInside(url: URL, whom: Whom): Promise<boolean>;
  /** Whether the deployment named the host for this. What it answers is shown to nobody: it may be inside. */
  isNamed(url: URL, whom: Whom): boolean;
}

export const EGRESS = part<Egress>('way out');

/**
 * @param rules hosts that may be inside
 * @param servers addresses of name servers; those of the machine when empty
 */
export function createEgress(rules: readonly EgressRule[], servers: readonly string[] = []): Egress {
  const lookup = lookupPublic(servers);
  let checking = 0;
  const isNamed = (url: URL, whom: Whom) => isAllowed(rules, url, whom);
  const guardOf = (url: URL, whom: Whom) => (isNamed(url, whom) ? null : lookup);
  return {
    fetchFor: (whom) => (address, options) => {
      const url = new URL(address);
      return fetchWhole(url, options, guardOf(url, whom));
    },
    send: (url, request, most, whom) => exchange(url, request, guardOf(url, whom), { most, cuts: true }),
    isNamed,
    async leadsInside(url, whom) {
      if (isNamed(url, whom)) return false;
      const host = hostOf(url);
      if (isIP(host) !== 0) return isPrivate(host);
      if (checking >= CHECKS) return false;
      checking += 1;
      const looked = new Promise<boolean>((resolve) => {
        lookup(host, { all: true }, (error) => resolve(error instanceof PrivateAddressError));
      }).finally(() => (checking -= 1));
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), CHECK_MS)));
      return Promise.race([looked, late]).finally(() => clearTimeout(timer));
    },
  };
}

const hostOf = ({ hostname }: URL): string => hostname.replaceAll(/^\[|\]$/g, '');

/** The whole answer, a quarter of a megabyte at most. */
async function fetchWhole(
  url: URL,
  { method, headers, body, signal }: Parameters<CustomFetch>[1],
  guard: LookupFunction | null,
): Promise<Response> {
  if (body != null && typeof body !== 'string' && !(body instanceof URLSearchParams)) {
    throw new TypeError('only text is sent to identity providers');
  }
  const request = { method, headers, body: body == null ? null : body.toString(), signal };
  const answer = await exchange(url, request, guard, { most: MAX_BYTES, cuts: false });
  const answered = Object.entries(answer.headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  );
  const text = EMPTY.has(answer.status) ? null : answer.body;
  if (text && typeof measureJson(text, BOUNDS) === 'string') throw new Error('the answer has too many parts');
  // What the other side chose, such as a status of 999, may make no Response.
  return new Response(text && new Uint8Array(text), { status: answer.status, headers: answered });
}

/** So many heads may come before that of the answer (1xx): they have no end of their own, and each takes time that is everybody's. */
const MOST_HEADS = 20;

/** Of their own: what others connected to was not looked at. */
const AGENTS = {
  http: new HttpAgent({ keepAlive: true, timeout: 5000, maxFreeSockets: 100 }),
  https: new HttpsAgent({ keepAlive: true, timeout: 5000, maxFreeSockets: 100 }),
};

/**
 * @param guard looks up the host; null where it was named by the deployment, and may be anywhere
 * @param cuts whether an answer that is too long is cut off, or fails
 */
function exchange(
  url: URL,
  { method, headers, body, signal = AbortSignal.timeout(MOST_MS) }: EgressRequest,
  guard: LookupFunction | null,
  { most, cuts }: { readonly most: number; readonly cuts: boolean },
): Promise<EgressAnswer> {
  return new Promise((fulfil, reject) => {
    const host = hostOf(url);
    // A literal address is not looked up.
    if (guard && isIP(host) !== 0 && isPrivate(host)) return reject(new PrivateAddressError());
    const isSecure = url.protocol === 'https:';
    const send = isSecure ? requestHttps : requestHttp;
    // A connection to a host that was named for one organization is kept for nobody: whoever may not reach it would be handed it.
    const reach = guard ? { lookup: guard, agent: isSecure ? AGENTS.https : AGENTS.http } : { agent: false as const };
    const request = send(url, { method, headers, signal, ...reach }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const end = () =>
        fulfil({
          status: response.statusCode ?? 500,
          headers: response.headers,
          body: Buffer.concat(chunks).subarray(0, most),
        });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size <= most) return;
        if (cuts) end();
        response.destroy(new Error('the answer is too long'));
      });
      response.on('error', reject);
      response.on('end', end);
    });
    request.on('error', reject);
    let heads = 0;
    request.on('information', () => {
      if ((heads += 1) > MOST_HEADS) request.destroy(new Error('nothing but heads comes'));
    });
    // An answer of 101 ends HTTP: without these, what comes after it would be waited for without end.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('the other side speaks another protocol'));
    });
    request.on('close', () => reject(new Error('the connection closed before an answer')));
    if (body === null) request.end();
    else request.end(body);
    return undefined;
  });
}
