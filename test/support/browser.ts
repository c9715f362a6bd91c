/** A page as a person sees it. */
export interface Visited {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface Cookie {
  readonly value: string;
  readonly sameSite: string;
}

export interface Request {
  readonly method?: 'GET' | 'POST';
  /** Of a form. */
  readonly form?: Record<string, string>;
  /** The page whose form or link it is. */
  readonly from?: string;
}

/**
 * What a browser does with redirects and cookies, SameSite included, and no more: each test has one for each person at
 * their machine. The real one is tried in test/browser.
 */
export class Browser {
  readonly #cookies = new Map<string, Map<string, Cookie>>();

  /** One request; redirects are not followed. */
  async send(
    address: string,
    { method = 'GET', form, from }: Request = {},
  ): Promise<Visited & { next: string | null }> {
    const url = new URL(address);
    const isCrossSite = from !== undefined && new URL(from).hostname !== url.hostname;
    const jar = this.#cookies.get(url.host) ?? new Map<string, Cookie>();
    const sent = [...jar].filter(([, { sameSite }]) => !isCrossSite || method === 'GET' || sameSite === 'none');
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: {
        cookie: sent.map(([name, { value }]) => `${name}=${value}`).join('; '),
        'user-agent': 'Test Browser',
        ...(from && method === 'POST' && { origin: new URL(from).origin }),
      },
      ...(form && { body: new URLSearchParams(form) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(/; */);
      const [name = '', ...value] = pair.split('=');
      const attribute = (wanted: string) =>
        attributes.map((each) => each.split('=')).find(([key = '']) => key.toLowerCase() === wanted)?.[1];
      const expires = attribute('expires');
      if (attribute('max-age') === '0' || (expires && new Date(expires).getTime() < Date.now())) jar.delete(name);
      else jar.set(name, { value: value.join('='), sameSite: (attribute('samesite') ?? 'lax').toLowerCase() });
    }
    this.#cookies.set(url.host, jar);
    const location = response.headers.get('location');
    return {
      url: url.href,
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      next: location === null ? null : new URL(location, url).href,
    };
  }

  /** Follows redirects to a page, or to the first address that `until` is true of, without asking for that one. */
  async visit(address: string, request: Request = {}, until: (url: string) => boolean = () => false): Promise<Visited> {
    let at = await this.send(address, request);
    for (let hops = 0; at.next !== null; hops += 1) {
      if (hops > 20) throw new Error('redirected in circles');
      if (until(at.next)) return { ...at, url: at.next };
      at = await this.send(at.next);
    }
    return at;
  }

  cookie(address: string, name: string): string | undefined {
    return this.#cookies.get(new URL(address).host)?.get(name)?.value;
  }

  setCookie(address: string, name: string, value: string): void {
    this.#cookies.get(new URL(address).host)?.set(name, { value, sameSite: 'lax' });
  }
}
