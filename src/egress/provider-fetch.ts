import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { CustomFetch } from 'openid-client';
import { findJsonFault, type JsonBounds } from '../gateway/http/bodies/bound-json.js';

/** An identity provider's address leads into the network that the gateway itself stands in. */
class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
}

/** Keys, tokens and claims are a few kilobytes. */
const MAX_BYTES = 262_144;
/** What they may be made of: a person may be in a few thousand groups. */
const BOUNDS: JsonBounds = { elements: 10_000, members: 1000, levels: 16 };

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

/**
 * Fetches from identity providers whose addresses organizations choose: never from the network that the gateway stands
 * in unless that is allowed, a quarter of a megabyte at most, and redirects are not followed.
 */
export const createProviderFetch =
  (allowPrivate: boolean): CustomFetch =>
  (address, { method, headers, body, signal }) =>
    new Promise((fulfil, reject) => {
      const url = new URL(address);
      const host = url.hostname.replaceAll(/^\[|\]$/g, '');
      // A literal address is not looked up.
      if (!allowPrivate && isIP(host) !== 0 && isPrivate(host)) return reject(new PrivateAddressError());
      const send = url.protocol === 'https:' ? requestHttps : requestHttp;
      const options = { method, headers, ...(signal && { signal }), ...(!allowPrivate && { lookup: lookupPublic() }) };
      const request = send(url, options, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > MAX_BYTES) response.destroy(new Error('the answer is too long'));
        });
        response.on('error', reject);
        response.on('end', () => {
          const answered = Object.entries(response.headers).flatMap(([name, value]) =>
            [value ?? []].flat().map((each): [string, string] => [name, each]),
          );
          const status = response.statusCode ?? 500;
          const text = EMPTY.has(status) ? null : Buffer.concat(chunks);
          // What the other side chose, such as a status of 999, may make no Response; thrown here it would end the process.
          try {
            if (text && findJsonFault(text, BOUNDS)) throw new Error('the answer has too many parts');
            fulfil(new Response(text, { status, headers: answered }));
          } catch (error) {
            reject(error);
          }
        });
      });
      request.on('error', reject);
      // An answer of 101 ends HTTP: without these, what comes after it would be waited for without end.
      request.on('upgrade', (_response, socket) => {
        socket.destroy();
        reject(new Error('the provider speaks another protocol'));
      });
      request.on('close', () => reject(new Error('the connection closed before an answer')));
      if (body == null) request.end();
      else if (typeof body === 'string' || body instanceof URLSearchParams) request.end(body.toString());
      else {
        reject(new TypeError('only text is sent to identity providers'));
        request.destroy();
      }
      return undefined;
    });
