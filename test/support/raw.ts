import { once } from 'node:events';
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A request with exactly these headers, Host and Origin among them, which `fetch` would not let a test choose. */
export function raw(
  url: string,
  options: { method?: string; headers?: OutgoingHttpHeaders; body?: string | Buffer } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { body, headers, method = body === undefined ? 'GET' : 'POST' } = options;
    const outgoing = request(url, { method, ...(headers && { headers }) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject).on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    outgoing.on('error', reject).end(body);
  });
}

/** Bytes that need not be HTTP, and all that came back until the server hung up. */
export function rawBytes(url: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

const begun: Socket[] = [];

/** What of a request has come so far is sent; its connection is open until `leaveBegun`. */
export async function begin(
  url: string,
  head: readonly string[],
  { from = '127.0.0.1', body = '' } = {},
): Promise<{ socket: Socket; answer(): string }> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port), localAddress: from });
  begun.push(socket);
  let text = '';
  socket.on('error', () => undefined).on('data', (chunk) => (text += chunk.toString()));
  await once(socket, 'connect');
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.write(body);
  return { socket, answer: () => text };
}

export function leaveBegun(): void {
  for (const socket of begun.splice(0)) socket.destroy();
}
