import type { AddressInfo } from 'node:net';
import dns2 from 'dns2';

/** What the name server says of a name. */
export interface Zone {
  /** TXT records; one given as a list is sent in pieces. */
  readonly txt?: readonly (string | readonly string[])[];
  /** IPv4 addresses. */
  readonly a?: readonly string[];
  /** The name is an alias of this one. */
  readonly cname?: string;
  readonly failure?: 'SERVFAIL' | 'REFUSED' | 'no answer';
  /** The answer over UDP says that it was cut, so that the question is asked again over TCP. */
  readonly truncated?: boolean;
}

export interface NameServer {
  /** As `DNS_SERVERS` takes it. */
  readonly address: string;
  /** By name; a name that is not there is NXDOMAIN, an empty zone exists and has no records. */
  readonly zones: Map<string, Zone>;
  /** The names asked for, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

const RCODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
const { Packet } = dns2;

/** A real name server on this machine, that follows aliases as a resolver does. */
export async function startNameServer(): Promise<NameServer> {
  const zones = new Map<string, Zone>();
  const asked: string[] = [];
  const server = dns2.createServer({
    udp: true,
    tcp: true,
    handle(request, send, client) {
      const isUdp = 'size' in client;
      const response = Packet.createResponseFromRequest(request);
      let name = request.questions[0]?.name.toLowerCase() ?? '';
      asked.push(name);
      const zone = zones.get(name);
      if (zone?.failure === 'no answer') return;
      if (zone?.truncated && isUdp) response.header.tc = 1;
      else {
        const record = { ttl: 0, class: Packet.CLASS.IN };
        for (let alias = zone?.cname; alias !== undefined; alias = zones.get(name)?.cname) {
          response.answers.push({ ...record, name, type: Packet.TYPE.CNAME, domain: alias });
          name = alias;
        }
        const isAddress = request.questions[0]?.type === Packet.TYPE.A;
        for (const address of (isAddress && zones.get(name)?.a) || []) {
          response.answers.push({ ...record, name, type: Packet.TYPE.A, address });
        }
        for (const data of zones.get(name)?.txt ?? []) {
          response.answers.push({ ...record, name, type: Packet.TYPE.TXT, data });
        }
      }
      if (zone?.failure) response.header.rcode = RCODES[zone.failure];
      else if (!zones.has(name)) response.header.rcode = RCODES.NXDOMAIN;
      void send(response);
    },
  });
  // Port 0 would give UDP and TCP a port each.
  const { udp } = await listenOnOnePort(server);
  return {
    address: `127.0.0.1:${udp.port}`,
    zones,
    asked,
    close: async () => void (await server.close()),
  };
}

async function listenOnOnePort(server: dns2.Server): Promise<{ udp: AddressInfo }> {
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  return server.listen({ udp: { port, address: '127.0.0.1' }, tcp: { port, address: '127.0.0.1' } });
}
