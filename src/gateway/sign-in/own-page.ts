import type { FastifyRequest } from 'fastify';
import type { Hosts } from '../../context/hosts.js';
import { isLocalHost } from '../http/local-host.js';

/** Whether a page that may act for the browser's owner sent this request. */
export type IsFromOwnPage = (request: FastifyRequest) => boolean;

/**
 * Browsers send cookies along with whatever any page makes them send; what the cookie stands for counts only where a page
 * of this deployment asked. At the host of an organization that is a page of this very host, and no other of ours: whoever
 * answers for the DNS of one has no say at another. Reading is left to the browser's own rules about who sees an answer.
 *
 * @param publicUrl the gateway's own origin, known once it listens
 * @param hosts which hosts are of organizations
 * @param frontends origins of web frontends
 */
export function createIsFromOwnPage(
  publicUrl: () => string,
  hosts: Hosts,
  frontends: readonly string[],
  development: boolean,
): IsFromOwnPage {
  return ({ method, headers, host: named }) => {
    if (method === 'GET' || method === 'HEAD') return true;
    const { origin, host } = headers;
    // Without an Origin, the browser's own word; whoever sends neither is no browser, and needs no cookie.
    if (origin === undefined) return headers['sec-fetch-site'] === 'same-origin';
    if (hosts.nameIn(named) !== null) return origin === hosts.originOf(named);
    if (origin === publicUrl() || frontends.includes(origin)) return true;
    return development && isLocalHost(headers) && origin === `http://${host}`;
  };
}
