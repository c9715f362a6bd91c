import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openSessions } from '../../../src/identity/sessions.js';
import { byTest } from '../../support/act.js';
import { type NameServer, startNameServer } from '../../support/dns.js';
import { givenHeldDomain, givenMember, givenOrganization, personId, unique } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

const HOME = 'https://app.orgate.example';
const FRONTEND = 'https://console.orgate.example';

let dns: NameServer;
let server: TestServer;
beforeAll(async () => {
  dns = await startNameServer();
  dns.zones.set('app.orgate.example', { a: ['192.0.2.1'] });
  server = await startServer({
    env: { DNS_SERVERS: dns.address, PUBLIC_URL: HOME, BASE_DOMAIN: 'orgate.example', CORS_ORIGINS: FRONTEND },
  });
});
afterAll(async () => {
  await server.close();
  await dns.close();
});

/** A browser that asks every host of the deployment here, and keeps cookies by host. */
class Travels {
  readonly cookies = new Map<string, string>();

  async go(address: string, form = false, headers: Record<string, string> = {}) {
    const { host, pathname, search, origin } = new URL(address);
    const answer = await raw(`${server.url}${pathname}${search}`, {
      method: form ? 'POST' : 'GET',
      headers: {
        host,
        accept: 'text/html',
        cookie: [...this.cookies]
          .flatMap(([key, value]) => (key.startsWith(`${host} `) ? [`${key.slice(host.length + 1)}=${value}`] : []))
          .join('; '),
        ...(form && { origin, 'content-type': 'application/x-www-form-urlencoded' }),
        ...headers,
      },
      ...(form && { body: '' }),
    });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      expect(line).toMatch(/^__Host-.*; Path=\/;.*HttpOnly; Secure/);
      this.cookies.set(`${host} ${name}`, value);
    }
    const { location } = answer.headers;
    return { ...answer, next: location === undefined ? null : new URL(location, address).href };
  }
}

async function given(more: { readonly isCustom?: boolean } = {}) {
  const acme = await givenOrganization(server);
  const { id, name } = await givenHeldDomain(server, acme, { name: `${unique('assistant')}.example` });
  const db = server.database.organizationDb(acme.id, byTest);
  await db.organizationDomain.update({ id }, { serving: true });
  dns.zones.set(name, { cname: 'app.orgate.example' });
  const host = more.isCustom === false ? `${acme.slug}.orgate.example` : name;
  const travels = new Travels();
  const { header, sessionId } = await givenBrowser(server, await personId(acme.viewer));
  const [, cookie = ''] = /__Host-orgate=([^;]+)/.exec(JSON.stringify(header)) ?? [];
  travels.cookies.set('app.orgate.example __Host-orgate', cookie.replace(/".*/, ''));
  return { acme, name, host, domainId: id, db, travels, sessionId };
}

/** From the host to the page that asks, and past it. */
async function ask(travels: Travels, host: string) {
  const begun = await travels.go(`https://${host}/auth?return_to=/here`);
  expect(begun.next).toMatch(/^https:\/\/app\.orgate\.example\/auth\/host\?/);
  return { url: begun.next as string, page: await travels.go(begun.next as string) };
}

describe('Signing in at the host of an organization', () => {
  test.each([true, false])(
    'asks once, naming host and account, and leaves a session bound to it (custom: %s)',
    async (isCustom) => {
      const { acme, host, travels, sessionId } = await given({ isCustom });
      const { url, page } = await ask(travels, host);
      expect(page.status).toBe(200);
      for (const each of [host, acme.viewer.email]) expect(page.text).toContain(each);
      expect(page.headers['content-security-policy']).toContain(`form-action 'self' https://${host}`);
      const agreed = await travels.go(url, true);
      expect(agreed.next).toMatch(new RegExp(`^https://${host}/auth/host/callback\\?code=`));
      const back = await travels.go(agreed.next as string);
      expect(back.next).toBe(
        `https://${host}/auth/organizations?return_to=${encodeURIComponent(`https://${host}/here`)}`,
      );
      const onward = await travels.go(back.next as string);
      expect(onward.next).toBe(`https://${host}/here?organization=${acme.slug}`);
      const cookie = travels.cookies.get(`${host} __Host-orgate`);
      const body = JSON.stringify({ query: '{ viewer { organizationSource currentOrganization { id } } }' });
      const asked = (to: string, origin: string) =>
        raw(`${server.url}/graphql`, {
          method: 'POST',
          headers: { host: to, origin, cookie: `__Host-orgate=${cookie}`, 'content-type': 'application/json' },
          body,
        });
      expect(JSON.parse((await asked(host, `https://${host}`)).text).data.viewer).toEqual({
        organizationSource: 'HOST',
        currentOrganization: { id: acme.id },
      });
      // Own page is this host's, and no other of the deployment.
      for (const origin of [HOME, FRONTEND, 'https://other.orgate.example', 'null']) {
        expect((await asked(host, origin)).text).toContain('FORBIDDEN');
      }
      const { rows } = await server.database.pool.queryAsLoginRole(
        `select bound_org_id as bound, expires_at = (select expires_at from session where id = $2) as "endsAlike"
         from session where person_id = $1 order by created_at desc limit 1`,
        [await personId(acme.viewer), sessionId],
      );
      expect(rows).toEqual([{ bound: acme.id, endsAlike: true }]);
      // The second time nobody is asked.
      const again = await ask(travels, host);
      expect(again.page.next).toContain('/auth/host/callback');
    },
  );

  test('a code counts once, for 60 seconds, for who began, at that host', async () => {
    const { host, travels, acme } = await given();
    const { url } = await ask(travels, host);
    await travels.go(url, true);
    const codeOf = async (through: Travels) => (await ask(through, host)).page.next as string;
    const code = await codeOf(travels);
    // Somebody else's browser has it, without having begun; and another host.
    expect((await new Travels().go(code)).status).toBe(400);
    const other = new URL(code);
    other.host = `${acme.slug}.orgate.example`;
    expect((await travels.go(other.href)).status).toBe(400);
    // Somebody else began, and brings it to their own journey: it is bound to another challenge.
    const thief = new Travels();
    const theirs = new URL((await thief.go(`https://${host}/auth`)).next as string);
    const stolen = new URL(code);
    stolen.searchParams.set('state', theirs.searchParams.get('state') as string);
    expect((await thief.go(stolen.href)).status).toBe(400);
    expect((await travels.go(code)).status).toBe(303);
    expect((await travels.go(code)).status).toBe(400);
    const late = await codeOf(travels);
    await server.database.pool.queryAsLoginRole(
      `update sign_in_attempt set expires_at = expires_at - interval '61 seconds' where step = 'HOST_CODE'`,
    );
    expect((await travels.go(late)).status).toBe(400);
  });

  test('a code is given out, and redeemed, only while the DNS says that the host leads here', async () => {
    const { host, travels, name } = await given();
    const { url } = await ask(travels, host);
    for (const zone of [
      {},
      { a: ['192.0.2.1', '198.51.100.7'] },
      { cname: 'elsewhere.example' },
      { failure: 'SERVFAIL' },
    ] as const) {
      dns.zones.set(name, zone);
      const refused = await travels.go(url, true);
      expect([refused.status, refused.next]).toEqual([409, null]);
    }
    dns.zones.set(name, { a: ['192.0.2.1'] });
    const code = (await travels.go(url, true)).next as string;
    dns.zones.set(name, { a: ['198.51.100.7'] });
    expect((await travels.go(code)).status).toBe(409);
    expect(travels.cookies.has(`${host} __Host-orgate`)).toBe(false);
  });

  test('leads to an organization of theirs only: at a stranger’s host and at nobody’s it looks the same', async () => {
    const { travels, host, domainId, db, acme } = await given();
    const globex = await given();
    const pages: string[] = [];
    for (const each of [globex.host, `${unique('nobody')}.example`, `${globex.acme.slug}.orgate.example`]) {
      const { page } = await ask(travels, each);
      expect(page.status).toBe(404);
      const requestId = String(page.headers['x-request-id']);
      pages.push(page.text.replaceAll(each, 'host').replaceAll(requestId, 'id'));
    }
    expect(new Set(pages).size).toBe(1);
    // What stopped serving meanwhile redeems nothing.
    const { url } = await ask(travels, host);
    const code = (await travels.go(url, true)).next as string;
    await db.organizationDomain.update({ id: domainId }, { serving: false });
    expect((await travels.go(code)).status).toBe(404);
    await givenMember(server, globex.acme, 'VIEWER', { email: acme.viewer.email });
    expect((await ask(travels, globex.host)).page.status).toBe(200);
  });

  test('who said once that they sign in there is asked again where it leads to another organization', async () => {
    const { travels, host, domainId, db, acme } = await given();
    const { url } = await ask(travels, host);
    await travels.go(url, true);
    expect((await ask(travels, host)).page.next).toContain('/auth/host/callback');
    await db.transaction(async (inside) => {
      await inside.organizationDomain.delete({ id: domainId });
      await inside.address.delete({ name: host });
    });
    const globex = await givenOrganization(server, 'globex');
    const { id } = await givenHeldDomain(server, globex, { name: host });
    await server.database.organizationDb(globex.id, byTest).organizationDomain.update({ id }, { serving: true });
    await givenMember(server, globex, 'VIEWER', { email: acme.viewer.email });
    const { page } = await ask(travels, host);
    expect([page.status, page.next]).toEqual([200, null]);
    expect(page.text).toContain('globex Inc.');
    // And a session that one organization's provider opened leads to that one alone.
    const bound = await givenBrowser(server, await personId(acme.viewer), { boundOrgId: acme.id });
    travels.cookies.set('app.orgate.example __Host-orgate', bound.header.cookie.replace('__Host-orgate=', ''));
    expect((await ask(travels, host)).page.status).toBe(404);
  });

  test('a code is worth nothing to who left the organization meanwhile', async () => {
    const { travels, host, acme } = await given();
    const { url } = await ask(travels, host);
    const code = (await travels.go(url, true)).next as string;
    await server.database.pool.queryAsLoginRole(
      `update membership set status = 'SUSPENDED' where org_id = $1 and user_id = $2`,
      [acme.id, await personId(acme.viewer)],
    );
    expect((await travels.go(code)).status).toBe(404);
    expect(travels.cookies.has(`${host} __Host-orgate`)).toBe(false);
  });

  test('a session that is over leaves none, and a page of another site agrees to nothing', async () => {
    const { travels, host, sessionId } = await given();
    const { url } = await ask(travels, host);
    expect((await travels.go(url, true, { origin: 'https://evil.example' })).status).toBe(403);
    const code = (await travels.go(url, true)).next as string;
    await server.database.pool.queryAsLoginRole(
      `update session set ended_at = now(), end_reason = 'SIGNED_OUT' where id = $1`,
      [sessionId],
    );
    expect((await travels.go(code)).status).toBe(404);
    expect(travels.cookies.has(`${host} __Host-orgate`)).toBe(false);
  });

  describe('whoever signs out', () => {
    /** Signed in where the gateway is, and at two hosts of one organization. */
    const givenBoth = async () => {
      const world = await given();
      const { acme, host, travels, name } = world;
      const slug = `${acme.slug}.orgate.example`;
      for (const each of [host, slug]) {
        const { url } = await ask(travels, each);
        await travels.go((await travels.go(url, true)).next as string);
      }
      const at = async (where: string, query = '{ viewer { organizationSource } }') => {
        const cookie = `__Host-orgate=${travels.cookies.get(`${where} __Host-orgate`)}`;
        const { text } = await raw(`${server.url}/graphql`, {
          method: 'POST',
          headers: { host: where, origin: `https://${where}`, cookie, 'content-type': 'application/json' },
          body: JSON.stringify({ query }),
        });
        return text;
      };
      const areIn = async () => {
        const texts = await Promise.all(['app.orgate.example', name, slug].map((where) => at(where)));
        return texts.map((text) => !text.includes('UNAUTHENTICATED'));
      };
      expect(await areIn()).toEqual([true, true, true]);
      return { ...world, slug, at, areIn };
    };

    test.each([
      ['on the page', (travels: Travels) => travels.go(`${HOME}/auth/sign-out`, true)],
      [
        'by the mutation',
        (_: Travels, at: (...of: [string, string]) => Promise<string>) =>
          at('app.orgate.example', 'mutation { signOut }'),
      ],
    ])('where they signed in, %s, is signed out at every host, and the organization is told', async (_, leave) => {
      const { acme, travels, at, areIn, sessionId } = await givenBoth();
      const elsewhere = await givenBrowser(server, await personId(acme.viewer));
      await leave(travels, at);
      expect(await areIn()).toEqual([false, false, false]);
      expect((await elsewhere('{ viewer { organizationSource } }', { origin: HOME })).errors).toEqual([]);
      const { rows } = await server.database.pool.queryAsLoginRole(
        `select action, changes, actor_id as who from audit_entry
         where org_id = $1 and target_id in (select id from session where source_id = $2) order by number`,
        [acme.id, sessionId],
      );
      expect(rows.map(({ action, who }) => [action, who])).toEqual([
        ['session.created', null],
        ['session.created', null],
        ...Array(2).fill(['session.ended', await personId(acme.viewer)]),
      ]);
      expect(JSON.stringify(rows)).not.toContain(sessionId);
    });

    test('at a host is signed out there alone', async () => {
      const { host, travels, areIn } = await givenBoth();
      expect((await travels.go(`https://${host}/auth/sign-out`, true)).status).toBe(200);
      expect(await areIn()).toEqual([true, false, true]);
    });

    test('has it done by whoever revokes the session, or used one of its tokens twice', async () => {
      for (const end of ['REVOKED', 'TOKEN_REUSED']) {
        const { acme, at, areIn, sessionId } = await givenBoth();
        if (end === 'REVOKED') {
          const elsewhere = await givenBrowser(server, await personId(acme.viewer));
          await elsewhere(`mutation { revokeSession(id: "${sessionId}") }`, { origin: HOME });
        } else {
          const sessions = server.database.outside(openSessions);
          const first = await sessions.issueRefreshToken(sessionId);
          const second = await sessions.renew(first);
          if (second === null || second === 'REUSED') throw new Error('not renewed');
          await sessions.renew(second.refreshToken);
          expect(await sessions.renew(first)).toBe('REUSED');
        }
        expect(await at('app.orgate.example')).toContain('UNAUTHENTICATED');
        expect(await areIn()).toEqual([false, false, false]);
      }
    });
  });

  test('each step of it, and each refusal, is a line of the stream routing', async () => {
    const { acme, host, name, travels, domainId, db } = await given();
    const viewer = await personId(acme.viewer);
    const told = ({ headers }: { readonly headers: Record<string, unknown> }) =>
      server.logs
        .map((each) => JSON.parse(each) as Record<string, unknown>)
        .filter(({ stream, requestId }) => stream === 'routing' && requestId === headers['x-request-id'])
        .map(({ sources, outcome, organization, source, viewer: who }) => {
          expect(sources).toEqual([{ source: 'HOST', name: host }]);
          return [outcome, organization ?? null, source ?? null, who ?? null];
        });
    const entered = ['ENTERED', acme.id, 'HOST', viewer];
    const refused = (outcome: string, who: string | null = viewer) => [[outcome, null, null, who]];

    const begun = await travels.go(`https://${host}/auth`);
    expect(told(begun)).toEqual(refused('SIGN_IN', null));
    const url = begun.next as string;
    expect(told(await new Travels().go(url))).toEqual(refused('SIGN_IN', null));
    expect(told(await travels.go(url))).toEqual([entered]);
    const agreed = await travels.go(url, true);
    expect(told(agreed)).toEqual([entered]);
    const code = agreed.next as string;
    expect(told(await travels.go(code))).toEqual([entered]);
    expect(told(await travels.go(code))).toEqual(refused('NOT_UNDER_WAY', null));
    expect(told(await travels.go(`https://${host}/auth/start/idp_none`))).toEqual(refused('UNKNOWN', null));

    const again = (await ask(travels, host)).page.next as string;
    dns.zones.set(name, { cname: 'elsewhere.example' });
    expect(told(await travels.go(again))).toEqual(refused('HOST_ELSEWHERE'));
    expect(told(await travels.go(url, true))).toEqual(refused('HOST_ELSEWHERE'));
    dns.zones.set(name, { cname: 'app.orgate.example' });
    const late = (await ask(travels, host)).page.next as string;
    await db.organizationDomain.update({ id: domainId }, { serving: false });
    expect(told(await travels.go(late))).toEqual(refused('NOT_FOUND'));
    expect(told(await travels.go(url))).toEqual(refused('NOT_FOUND'));
  });
});
