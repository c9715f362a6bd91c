/** The part of samlp that the tests use; it brings no types of its own. */
declare module 'samlp' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  interface Response extends ServerResponse {
    set(name: string, value: string): void;
    send(body: unknown): void;
  }
  const samlp: {
    auth(
      options: Record<string, unknown>,
    ): (
      request: IncomingMessage & { query: Record<string, string> },
      response: Response,
      next: (error: unknown) => void,
    ) => void;
  };
  // It is a CommonJS module.
  // oxlint-disable-next-line import/no-default-export
  export default samlp;
}
