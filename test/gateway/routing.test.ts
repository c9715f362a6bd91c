import { hash } from 'node:crypto';
import { beforeAll, expect, test } from '@jest/globals';
import { byTest } from '../support/act.js';
import { givenKey } from '../support/api-key.js';
import {
  givenHeldDomain,
  givenMember,
  givenOrganization,
  type GivenOrganization,
  personId,
  unique,
} from '../support/given.js';
import { givenImpersonation } from '../support/impersonation.js';
import { raw } from '../support/raw.js';
import { givenDirectory } from '../support/scim.js';
import { type Client, useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';

const server = useServer({ env: { REGION: 'useast' } });

const WHERE = '{ viewer { organizationSource } }';
const COMPARE = 'query ($a: ID!, $b: ID!) { compareOrganizations(a: $a, b: $b) { differences { path } } }';
const PROMOTE = 'mutation ($input: PromoteSettingsInput!) { promoteSettings(input: $input) { changes { path } } }';

interface Asked {
  /** Null where nobody is known. */
  readonly token: string | null;
  readonly query?: string;
  readonly variables?: object;
  readonly headers?: Record<string, string>;
  readonly door?: string;
}

/** What stands in the stream `routing` of one request, but for what every line of it has. */
async function linesOf({ token, query = WHERE, variables, headers, door = '/graphql' }: Asked) {
  const answer = await raw(`${server.url}${door}`, {
    headers: {
      host: 'localhost',
      'content-type': 'application/json',
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(door === '/graphql' && { method: 'POST', body: JSON.stringify({ query, variables }) }),
  });
  return linesAbout(String(answer.headers['x-request-id']));
}

const FIELDS = ['sources', 'outcome', 'organization', 'source', 'viewer', 'actor', 'apiKey', 'directory'];

function linesAbout(requestId: string) {
  const lines = server.logs.map((each) => JSON.parse(each) as Record<string, unknown>);
  return lines
    .filter((line) => line['stream'] === 'routing' && line['requestId'] === requestId)
    .map((line) => Object.fromEntries(Object.entries(line).filter(([field]) => FIELDS.includes(field))));
}

const digest = (name: string): string => `sha256:${hash('sha256', name).slice(0, 16)}`;
const named = (source: string, name: string) => [{ source, name }];

let acme: GivenOrganization;
let globex: GivenOrganization;
/** In both. */
let ann: Client;
let annId: string;
let domain: string;
beforeAll(async () => {
  [acme, globex] = [await givenOrganization(server, 'acme'), await givenOrganization(server, 'globex')];
  ann = await givenMember(server, acme, 'ADMIN');
  await givenMember(server, globex, 'ADMIN', { email: ann.email });
  annId = await personId(ann);
  const { id, name } = await givenHeldDomain(server, acme);
  domain = name;
  await server.database.organizationDb(acme.id, byTest).organizationDomain.update({ id }, { serving: true });
});

const header = (name: string) => ({ 'x-organization-id': name });
const inAcme = (source: string) => ({ outcome: 'ENTERED', organization: acme.id, source, viewer: annId });

const anywhere = async () => (await server.as(ann.email)).token;
const suspended = async () => {
  const out = await givenMember(server, acme, 'VIEWER');
  const id = await personId(out);
  await server.database.pool.queryAsLoginRole(
    `update membership set status = 'SUSPENDED' where org_id = $1 and user_id = $2`,
    [acme.id, id],
  );
  return { token: out.token, id };
};
const barred = async () => {
  const closed = await givenOrganization(server, 'closed');
  await closed.owner(
    'mutation { updateOrganization(input: { settings: { security: { membership: SET_ONLY } } }) { id } }',
  );
  await givenMember(server, globex, 'VIEWER', { email: closed.admin.email });
  return { closed, client: closed.admin, id: await personId(closed.admin) };
};
/** The name of an organization that is homed in another region, and its maker. */
const elsewhere = async () => {
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const base = `abc${unique('').replaceAll(/[^a-z]/g, '')}`;
  const { data, text } = await maker(
    `mutation ($input: CreateOrganizationSetInput!) { createOrganizationSet(input: $input) { elsewhere { slug } } }`,
    { input: { name: 'A', base, project: 'p', regions: ['useast', 'eucentral'], environments: [] } },
  );
  const slug = data.createOrganizationSet?.elsewhere[0]?.slug;
  if (!slug) throw new Error(text);
  return { maker, slug, id: await personId(maker) };
};

type Case = readonly [what: string, () => Promise<readonly [asked: Asked, lines: object[]]>];

const ENTERING: readonly Case[] = [
  [
    'by the claim of a token',
    async () => [{ token: ann.token }, [{ sources: named('TOKEN', acme.slug), ...inAcme('TOKEN') }]],
  ],
  [
    'by a header, whatever the token claims',
    async () => [
      { token: ann.token, headers: header(globex.slug) },
      [{ sources: named('HEADER', globex.slug), ...inAcme('HEADER'), organization: globex.id }],
    ],
  ],
  [
    'by the host of a slug',
    async () => [
      { token: ann.token, headers: { host: `${acme.slug}.localhost` } },
      [{ sources: named('HOST', acme.slug), ...inAcme('HOST') }],
    ],
  ],
  [
    'by the host of a domain, which a header may repeat',
    async () => [
      { token: await anywhere(), headers: { host: domain, ...header(acme.id) } },
      [{ sources: [...named('HOST', domain), ...named('HEADER', acme.id)], ...inAcme('HOST') }],
    ],
  ],
  [
    'by the path of a door',
    async () => [
      { token: await anywhere(), door: `/organizations/${acme.slug}/audit` },
      [{ sources: named('PATH', acme.slug), ...inAcme('PATH') }],
    ],
  ],
  [
    'by a key, which is told',
    async () => {
      const { id, secret } = await givenKey(server, ann, ['organization:read']);
      return [{ token: secret }, [{ sources: [], ...inAcme('API_KEY'), apiKey: id }]];
    },
  ],
  [
    'as a member, by somebody who is told as well',
    async () => {
      const { token, samId, userId } = await givenImpersonation(server, acme, { as: 'viewer' });
      return [{ token }, [{ sources: named('TOKEN', acme.id), ...inAcme('TOKEN'), viewer: userId, actor: samId }]];
    },
  ],
  [
    'without a name, by whoever is in one only',
    async () => {
      const { email } = acme.viewer;
      const { token } = await server.as(email);
      return [{ token }, [{ sources: [], ...inAcme('SOLE_MEMBERSHIP'), viewer: await personId(acme.viewer) }]];
    },
  ],
  [
    'while it is suspended, as it is read',
    async () => {
      const still = await givenOrganization(server, 'still');
      const db = server.database.organizationDb(still.id, byTest);
      await db.organization.update({}, { status: 'SUSPENDED' });
      const [organization, viewer] = [still.id, await personId(still.owner)];
      return [
        { token: still.owner.token },
        [{ sources: named('TOKEN', still.slug), outcome: 'ENTERED', organization, source: 'TOKEN', viewer }],
      ];
    },
  ],
  [
    'where they are barred, to leave',
    async () => {
      const { closed, client, id } = await barred();
      const decided = { outcome: 'SET_ONLY', organization: closed.id, source: 'TOKEN', viewer: id };
      return [{ token: client.token }, [{ sources: named('TOKEN', closed.slug), ...decided }]];
    },
  ],
];

const REFUSING: readonly Case[] = [
  [
    'whoever names none, and is in several',
    async () => [{ token: await anywhere() }, [{ sources: [], outcome: 'NO_ORGANIZATION', viewer: annId }]],
  ],
  ['nobody who names none: no line', async () => [{ token: null }, []]],
  [
    'nobody at a host',
    async () => [{ token: null, headers: { host: domain } }, [{ sources: named('HOST', domain), outcome: 'NOBODY' }]],
  ],
  [
    'a host and a header that name two',
    async () => [
      { token: ann.token, headers: { host: `${acme.slug}.localhost`, ...header(globex.id) } },
      [
        {
          sources: [...named('HOST', acme.slug), ...named('HEADER', globex.id)],
          outcome: 'ORG_CONTEXT_CONFLICT',
          viewer: annId,
        },
      ],
    ],
  ],
  [
    'a key where another is named',
    async () => {
      const { id, secret } = await givenKey(server, ann, ['organization:read']);
      return [
        { token: secret, headers: header(globex.slug) },
        [{ sources: named('HEADER', digest(globex.slug)), outcome: 'ORG_CONTEXT_CONFLICT', apiKey: id }],
      ];
    },
  ],
  [
    'a key that is revoked',
    async () => {
      const { id, secret } = await givenKey(server, ann, ['organization:read']);
      await ann('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id });
      return [{ token: secret }, [{ sources: [], outcome: 'UNAUTHENTICATED', apiKey: id }]];
    },
  ],
  [
    'a name that nobody has, which is told by its digest',
    async () => {
      const name = unique('nobody');
      return [
        { token: ann.token, headers: header(name) },
        [{ sources: named('HEADER', digest(name)), outcome: 'NOT_FOUND', viewer: annId }],
      ];
    },
  ],
  [
    'whoever is not a member, where the id is told',
    async () => {
      const viewer = await personId(globex.viewer);
      return [
        { token: globex.viewer.token, headers: header(acme.id) },
        [{ sources: named('HEADER', acme.id), outcome: 'NOT_FOUND', viewer }],
      ];
    },
  ],
  [
    'whoever is not a member, at a host',
    async () => [
      { token: globex.viewer.token, headers: { host: domain } },
      [{ sources: named('HOST', domain), outcome: 'NOT_FOUND', viewer: await personId(globex.viewer) }],
    ],
  ],
  [
    'a host that is nobody’s',
    async () => [
      { token: ann.token, headers: { host: 'nobody.example' } },
      [{ sources: named('HOST', 'nobody.example'), outcome: 'NOT_FOUND', viewer: annId }],
    ],
  ],
  [
    'a suspended member',
    async () => {
      const { token, id } = await suspended();
      return [
        { token, headers: header(acme.id) },
        [{ sources: named('HEADER', acme.id), outcome: 'NOT_FOUND', viewer: id }],
      ];
    },
  ],
  [
    'whoever names what is homed in another region, and may know that',
    async () => {
      const { maker, slug, id } = await elsewhere();
      return [
        { token: maker.token, headers: header(slug) },
        [{ sources: named('HEADER', digest(slug)), outcome: 'ORG_IN_OTHER_REGION', viewer: id }],
      ];
    },
  ],
];

const first = () => ({ sources: named('TOKEN', acme.slug), ...inAcme('TOKEN') });
const beside = (name: string, decided: object) => ({ sources: named('ARGUMENT', name), viewer: annId, ...decided });
const enteredBeside = ({ id, slug }: GivenOrganization) =>
  beside(slug, { outcome: 'ENTERED', organization: id, source: 'ARGUMENT' });

const BESIDE: readonly Case[] = [
  [
    'to compare: both',
    async () => [
      { token: ann.token, query: COMPARE, variables: { a: acme.slug, b: globex.slug } },
      [first(), enteredBeside(acme), enteredBeside(globex)],
    ],
  ],
  [
    'to take settings over',
    async () => [
      { token: ann.token, query: PROMOTE, variables: { input: { from: globex.slug, paths: ['support.tier'] } } },
      [first(), enteredBeside(globex)],
    ],
  ],
  [
    'that is none of theirs: refused',
    async () => {
      const { id } = await givenOrganization(server, 'foreign');
      return [
        { token: ann.token, query: PROMOTE, variables: { input: { from: id, paths: ['branding.displayName'] } } },
        [first(), beside(id, { outcome: 'NOT_FOUND' })],
      ];
    },
  ],
  [
    'by a name that nobody has: refused, and told by its digest',
    async () => {
      const name = unique('nobody');
      return [
        { token: ann.token, query: COMPARE, variables: { a: acme.slug, b: name } },
        [first(), enteredBeside(acme), beside(digest(name), { outcome: 'NOT_FOUND' })],
      ];
    },
  ],
  [
    'that they are barred from',
    async () => {
      const { closed, client, id } = await barred();
      const { token } = await server.as(client.email, globex.slug);
      const decided = { outcome: 'SET_ONLY', organization: closed.id, source: 'ARGUMENT', viewer: id };
      return [
        { token, query: COMPARE, variables: { a: closed.slug, b: globex.slug } },
        [
          { sources: named('TOKEN', globex.slug), ...inAcme('TOKEN'), organization: globex.id, viewer: id },
          { sources: named('ARGUMENT', closed.slug), ...decided },
          { ...enteredBeside(globex), viewer: id },
        ],
      ];
    },
  ],
];

test.each(ENTERING)('Who enters %s', async (_, given) => {
  const [asked, lines] = await given();
  expect(await linesOf(asked)).toEqual(lines);
});

test.each(REFUSING)('Who does not enter: %s', async (_, given) => {
  const [asked, lines] = await given();
  expect(await linesOf(asked)).toEqual(lines);
});

test.each(BESIDE)('Who enters a second organization %s', async (_, given) => {
  const [asked, lines] = await given();
  expect(await linesOf(asked)).toEqual(lines);
});

test('A session that reaches one organization only enters no second one, and that is told', async () => {
  const bound = await givenBrowser(server, annId, { boundOrgId: acme.id });
  const answer = await bound(
    `mutation { promoteSettings(input: { from: "${globex.id}", paths: ["branding.displayName"] }) { changes { path } } }`,
    header(acme.slug),
  );
  expect(linesAbout(String(answer.headers.get('x-request-id')))).toMatchObject([
    { outcome: 'ENTERED', source: 'HEADER' },
    { sources: named('ARGUMENT', globex.id), outcome: 'FORBIDDEN', viewer: annId },
  ]);
});

test('A directory’s door tells it, too', async () => {
  const directory = await givenDirectory(server, acme);
  const ask = (host: string) => linesOf({ token: directory.token, headers: { host }, door: '/scim/v2/Users' });
  const own = { organization: acme.id, source: 'TOKEN', directory: directory.id };
  expect(await ask(`${acme.slug}.localhost`)).toEqual([
    { sources: named('HOST', acme.slug), outcome: 'ENTERED', ...own },
  ]);
  expect(await ask(`${globex.slug}.localhost`)).toEqual([
    { sources: named('HOST', globex.slug), outcome: 'ORG_CONTEXT_CONFLICT', directory: directory.id },
  ]);
});
