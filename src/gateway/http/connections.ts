import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { idsOf, type RequestIds } from './request-record.js';
import { whenOver } from './when-over.js';

/** A request that was cut off. Its path goes without the query, which may hold secrets. */
export interface CutRequest extends RequestIds {
  readonly method: string;
  readonly path: string | undefined;
  readonly ms: number;
}

/** The connections of an HTTP server, each with the requests that it has in flight. */
export interface Connections {
  /** A request is in flight from here on, until its answer is sent or its client is gone. */
  enter(request: FastifyRequest, reply: FastifyReply): void;
  /**
   * Closes every connection that has no request in flight, and the others as they finish; after `graceMs` those too.
   *
   * @param onCut told of the requests that were still in flight then
   */
  drain(graceMs: number, onCut: (requests: readonly CutRequest[]) => void): void;
}

/**
 * Hands on one request of a connection at a time. HTTP/1.1 lets a client send the next ones before the first is answered,
 * and no client in use does: their answers would wait in memory, and nobody is told when the client goes. Such a
 * connection is closed, and so is one that is gone already: nobody knows any more whom to count its requests against.
 */
export const oneAtATime =
  (handle: RequestListener): RequestListener =>
  (request, response) => {
    // An answer that has the socket is the first one; those behind it wait for theirs.
    if (response.socket && request.socket.remoteAddress !== undefined) handle(request, response);
    else request.socket.destroy();
  };

/**
 * Counts for itself: Node takes a connection on which no byte ever came for a busy one, until its headers are overdue.
 * Clients open such connections ahead of need, and one of them kept a server from closing for half a minute.
 */
export function watchConnections(server: Server): Connections {
  const open = new Map<Socket, Set<FastifyReply>>();
  let isDraining = false;
  server.on('connection', (socket) => {
    if (isDraining) return void socket.destroy();
    open.set(socket, new Set());
    socket.once('close', () => open.delete(socket));
  });
  return {
    enter({ raw: { socket } }, reply) {
      const inFlight = open.get(socket);
      inFlight?.add(reply);
      whenOver(reply.raw, () => {
        inFlight?.delete(reply);
        if (isDraining && inFlight?.size === 0) socket.destroySoon();
      });
    },
    drain(graceMs, onCut) {
      isDraining = true;
      for (const [socket, inFlight] of open) if (inFlight.size === 0) socket.destroy();
      const end = setTimeout(() => {
        const cut = [...open.values()].flatMap((inFlight) => [...inFlight].map(describe));
        if (cut.length > 0) onCut(cut);
        for (const socket of open.keys()) socket.destroy();
      }, graceMs);
      server.once('close', () => clearTimeout(end));
    },
  };
}

const describe = ({ request, elapsedTime }: FastifyReply): CutRequest => ({
  ...idsOf(request),
  method: request.method,
  path: request.url.split('?', 1)[0],
  ms: Math.round(elapsedTime),
});
