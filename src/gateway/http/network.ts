import { isIPv6 } from 'node:net';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whom the request is counted against by address; known while it is answered, also when its client is gone. */
    network: string;
  }
}

/** To be called before any other hook is added: a connection that is gone has no address any more. */
export function noteNetworks(app: FastifyInstance): void {
  app.decorateRequest('network', '');
  app.addHook('onRequest', (request, _reply, done) => {
    request.network = networkOf(request.ip);
    done();
  });
}

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
