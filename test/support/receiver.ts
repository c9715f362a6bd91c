import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What came, as it came. */
export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body, parsed. */
  readonly event: {
    readonly id: string;
    readonly type: string;
    readonly sequence: number | null;
    readonly data: object;
  };
}

export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** How it answers from now on; 204 to begin with. */
  answer: (response: ServerResponse, received: Received) => void;
  /** How many requests it has that it did not answer. */
  readonly open: () => number;
  close(): Promise<void>;
}

/** The other side of a webhook, on this machine. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let open = 0;
  const server = createServer((request, response) => {
    open += 1;
    response.on('close', () => (open -= 1));
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const it = { headers: request.headers, body, event: JSON.parse(body) as Received['event'] };
      received.push(it);
      receiver.answer(response, it);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answer: (response) => void response.writeHead(204).end(),
    open: () => open,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}
