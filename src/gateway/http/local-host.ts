import type { IncomingHttpHeaders } from 'node:http';

/** The whole of a Host header: a name of this very machine, and perhaps a port. */
const LOCAL = /^(localhost|[a-z0-9.-]+\.localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/** Whoever sends one of these hands on what someone else asked. */
const HANDED_ON = /^(forwarded|x-forwarded(-.*)?|x-real-ip|via)$/;

/**
 * Whether a request came to a name of this very machine, and straight. What exists for development only answers no
 * other, so that no web page elsewhere can reach it by pointing a name of its own here, and nobody at all through a
 * proxy, which may name the machine itself upstream. What a proxy says is not believed here, trusted or not.
 */
export const isLocalHost = (headers: IncomingHttpHeaders): boolean => findForeignHeader(headers) === null;

/** The header by which a request is one from elsewhere, in lower case; null for what `isLocalHost`. */
export const findForeignHeader = (headers: IncomingHttpHeaders): string | null =>
  LOCAL.test(headers.host ?? '') ? (Object.keys(headers).find((name) => HANDED_ON.test(name)) ?? null) : 'host';
