import type { AddressInfo } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import type { TestServer } from './server.js';

/** A mail server that really listens, and keeps what it was given. */
export interface TestMailServer {
  readonly url: string;
  readonly received: Email[];
  /** What it answers to the next recipients; null takes them. */
  refuseWith: { code: number; message: string } | null;
  /** What the next recipients wait for before they are answered; null for nothing. */
  hold: Promise<unknown> | null;
  /** Every recipient that was named to it, answered or not. */
  readonly named: string[];
  close(): Promise<void>;
}

export async function startMailServer(port = 0): Promise<TestMailServer> {
  const received: Email[] = [];
  const named: string[] = [];
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo({ address }, _session, done) {
      named.push(address);
      void Promise.resolve(server.hold).then(() => {
        const { refuseWith } = server;
        done(refuseWith ? Object.assign(new Error(refuseWith.message), { responseCode: refuseWith.code }) : undefined);
      });
    },
    onData(stream, _session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        void PostalMime.parse(Buffer.concat(chunks)).then((email) => {
          received.push(email);
          done();
        });
      });
    },
  });
  await new Promise<void>((resolve) => smtp.listen(port, '127.0.0.1', resolve));
  const server: TestMailServer = {
    url: `smtp://127.0.0.1:${(smtp.server.address() as AddressInfo).port}`,
    received,
    refuseWith: null,
    hold: null,
    named,
    close: () => new Promise((resolve) => smtp.close(resolve)),
  };
  return server;
}

/** Waits until what was asked for is there. */
export async function eventually<T>(look: () => T | undefined | Promise<T | undefined>, ms = 120_000): Promise<T> {
  for (const began = Date.now(); Date.now() - began < ms;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not come');
}

/** The text of a mail to this address in the mailbox of a development server, and of the newest if there are several. */
export async function mailTo({ url }: TestServer, email: string): Promise<string> {
  return eventually(async () => {
    const list = await (await fetch(`${url}/dev/mail`)).text();
    const row = list.split('<li>').find((each) => each.includes(email));
    const path = /href="(\/dev\/mail\/[^"]+)"/.exec(row ?? '')?.[1];
    return path && (await fetch(`${url}${path}`)).text();
  });
}

/** The secret that was mailed to an address last, once it is another than `before`. */
export const secretFor = (server: TestServer, email: string, before?: string): Promise<string> =>
  eventually(async () => {
    const secret = /\/invitations\/([\w-]{43})/.exec(await mailTo(server, email))?.[1];
    return secret === before ? undefined : secret;
  });
