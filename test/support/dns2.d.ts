/** What the tests use of dns2, which has no types of its own. */
declare module 'dns2' {
  import type { AddressInfo } from 'node:net';

  namespace dns2 {
    interface Message {
      header: { rcode: number; tc: number };
      questions: { name: string; type: number }[];
      answers: object[];
    }
    interface Server {
      listen(ports: Record<'udp' | 'tcp', { port: number; address: string }>): Promise<{ udp: AddressInfo }>;
      close(): Promise<unknown>;
    }
  }
  const dns2: {
    createServer(options: {
      udp: boolean;
      tcp: boolean;
      handle(request: dns2.Message, send: (response: dns2.Message) => unknown, client: object): void;
    }): dns2.Server;
    Packet: {
      createResponseFromRequest(request: dns2.Message): dns2.Message;
      CLASS: { IN: number };
      TYPE: Record<'A' | 'TXT' | 'CNAME', number>;
    };
  };
  export default dns2;
}
