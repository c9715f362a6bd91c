import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** A network between two parties that can lose their connections without a word. */
export interface TcpProxy {
  readonly port: number;
  /** Nothing more comes through on the connections that there are, in either direction, and nobody is told. */
  lose(): void;
  /** What comes through from now on takes so long, in each direction. */
  delay(ms: number): void;
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => void (delayMs > 0 ? setTimeout(() => to.write(data), delayMs) : to.write(data)));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    lose() {
      for (const socket of sockets) socket.pause();
    },
    delay: (ms) => void (delayMs = ms),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
