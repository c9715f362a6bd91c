import type { Answer } from './server.js';

/** What came of a subscription, one thing after the other. */
export interface Told {
  readonly event: string;
  // As in `Answer`.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
  readonly errors: Answer['errors'];
}

export interface Events {
  readonly status: number;
  readonly headers: Headers;
  /** The next that is not only a sign of life; null at the end, however it came. */
  next(): Promise<Told | null>;
  /** All that come until the end. */
  rest(): Promise<Told[]>;
  close(): void;
}

interface Asking {
  readonly url: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
  /** Which operation of the document. */
  readonly operationName?: string | null | undefined;
}

/** Subscribes as a client does: a POST that is answered bit by bit. */
export async function openEvents(
  { url, token, headers, operationName }: Asking,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Events> {
  const over = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ query, operationName, variables }),
    signal: over.signal,
  });
  const parts = read(response);
  const next = async (): Promise<Told | null> => {
    const { value, done } = await parts.next();
    return done ? null : value;
  };
  return {
    status: response.status,
    headers: response.headers,
    next,
    async rest() {
      const all: Told[] = [];
      for (let told = await next(); told; told = await next()) all.push(told);
      return all;
    },
    close: () => over.abort(),
  };
}

async function* read(response: Response): AsyncGenerator<Told, void> {
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const messages = text.split('\n\n');
      text = messages.pop() ?? '';
      for (const message of messages) {
        const [, event] = /^event: (.*)$/m.exec(message) ?? [];
        const [, data] = /^data:(.*)$/m.exec(message) ?? [];
        if (event === undefined) continue;
        const { data: value = null, errors = [] } = data?.trim() ? (JSON.parse(data) as Partial<Told>) : {};
        yield { event, data: value, errors };
      }
    }
  } catch {
    // cut off
  }
}
