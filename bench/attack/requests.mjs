import { createHash, randomBytes } from 'node:crypto';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

/** Requests that mean harm whatever their document is, and connections that are no requests at all. */

const JSON_TYPE = { 'content-type': 'application/json' };
const QUERY = (n) => JSON.stringify({ query: `query Q${n} { __typename }` });
const post = (n, headers = {}) => ({ method: 'POST', headers: { ...JSON_TYPE, ...headers }, body: QUERY(n) });
const get = (path, headers = {}) => ({ method: 'GET', path, headers });

/** As random as what it stands for, and never the same. */
const secret = (n, length = 43) =>
  createHash('sha512')
    .update(`${n} ${randomBytes(8).toString('hex')}`)
    .digest('base64url')
    .repeat(2)
    .slice(0, length);
const base64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** By the letter what an issuer signs, but that nobody did: each has to be looked at. */
const jwt = (n) =>
  `${base64({ alg: 'ES256', typ: 'at+jwt', kid: 'bench' })}.${base64({ iss: 'https://id.bench.example', aud: 'orgate-bench', sub: `nobody-${n}`, exp: 4_000_000_000 })}.${secret(n, 86)}`;
/** One of a key that its issuer never had: to be fetched each time, or not. */
const unknownKey = (n) =>
  `${base64({ alg: 'ES256', typ: 'at+jwt', kid: `key-${n}` })}.${base64({ iss: 'https://id.bench.example', aud: 'orgate-bench', sub: 'nobody' })}.${secret(n, 86)}`;

const DIGITS = '0123456789abcdefghijklmnopqrstuv';
const keyPart = (n, length) =>
  [...createHash('sha512').update(secret(n)).digest()]
    .slice(0, length)
    .map((byte) => DIGITS[byte % 32])
    .join('');
/** A key with the checksum that a key has, so that the database is asked. */
function apiKey(n) {
  const unchecked = `og_live_${keyPart(n, 26)}_${keyPart(n, 32)}`;
  return `${unchecked}_${crc32(unchecked).toString(32).padStart(7, '0')}`;
}

const bearer = (token) => ({ authorization: `Bearer ${token}` });
const wrongTokens = (n) => [post(n, bearer(n % 2 === 0 ? jwt(n) : unknownKey(n)))];
const wrongKeys = (n) => [post(n, bearer(apiKey(n)))];
const longToken = (n) => [post(n, bearer(`${jwt(n)}${'x'.repeat(12_000)}`))];
const wrongCookies = (n) => [post(n, { cookie: `__Host-orgate=${secret(n)}`, origin: 'https://orgate.example' })];
const largeCookies = (n) => [post(n, { cookie: `a${n}=${'x'.repeat(8000)}` })];
const manyCookies = (n) => [post(n, { cookie: Array.from({ length: 900 }, (_, each) => `c${each}=${n}`).join('; ') })];

const refreshTokens = (n) => [
  {
    method: 'POST',
    path: '/auth/token',
    headers: JSON_TYPE,
    body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: secret(n) }),
  },
];
const signInPages = (n) => [get(n % 2 === 0 ? '/auth' : `/auth/nobody-${n}`)];
const invitations = (n) => [get(`/invitations/${secret(n)}`)];
const directories = (n) => [
  get(`/scim/v2/Users?filter=userName%20eq%20%22${n}%22`, bearer(n % 2 === 0 ? secret(n) : `og_scim_${secret(n)}`)),
];

/** The SAML provider that one of the organizations has; anyone may begin to sign in there, and post what it should have sent. */
export const ATTACKED_PROVIDER = 'idp_attacked';

const NAMESPACES = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"';
const response = (inner) => `<samlp:Response ${NAMESPACES} ID="r" Version="2.0">${inner}</samlp:Response>`;
const repeat = (times, make) => Array.from({ length: times }, (_, index) => make(index)).join('');
const XML = [
  () => response(`${'<a>'.repeat(18_000)}${'</a>'.repeat(18_000)}`),
  () => response('<a b="1"/>'.repeat(13_000)),
  () => response(`<a ${repeat(14_000, (index) => `b${index}="1" `)}/>`),
  () => response(`${repeat(2500, (index) => `<a xmlns:n${index}="u:${index}">`)}${'</a>'.repeat(2500)}`),
  () => response('<a>'.repeat(8000)).slice(0, -20),
  () => response('<'.repeat(8000)),
  () => response('<!--'.repeat(8000)),
  () => response('<ds:Reference URI="#r"/>'.repeat(5000)),
  () => `<!DOCTYPE a [<!ENTITY x "${'x'.repeat(1000)}"><!ENTITY y "${'&x;'.repeat(1000)}">]>${response('&y;')}`,
];
/** Begins to sign in, and posts XML where the provider's answer belongs: it is read before a signature is looked for. */
function saml(n) {
  const answer = (location) => ({
    method: 'POST',
    path: `/auth/saml/${ATTACKED_PROVIDER}/acs`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      SAMLResponse: Buffer.from(`${XML[n % XML.length]()}<!-- ${n} -->`).toString('base64'),
      RelayState: new URL(location).searchParams.get('RelayState') ?? '',
    }).toString(),
  });
  return [{ ...get(`/auth/start/${ATTACKED_PROVIDER}`), follow: answer }];
}

const unlikely = (n, query) => `/graphql?query=${encodeURIComponent(query)}&x=${n}`;
const NO_PREFLIGHT = { 'apollo-require-preflight': 'true' };
const longQueries = (n) => [
  get(unlikely(n, `query Q${n} { ${'__typename '.repeat(1000)} }`).slice(0, 14_000), NO_PREFLIGHT),
];
const operationNamesByGet = (n) => [
  get(`/graphql?query=${encodeURIComponent(`query Q${n} { viewer { role } }`)}&operationName=${n % 2 ? 'nope' : ''}`, {
    ...NO_PREFLIGHT,
  }),
];
const mutationsByGet = (n) => [
  get(
    `/graphql?query=${encodeURIComponent(`mutation M${n} { cancelRun(id: "x") { id } }`)}&operationName=nope`,
    NO_PREFLIGHT,
  ),
];
const variablesByGet = (n) => [
  get(`/graphql?query={__typename}&variables=${'%5B'.repeat(2500)}${n}`, NO_PREFLIGHT),
  get(`/graphql?${Array.from({ length: 900 }, (_, each) => `query=${each}`).join('&')}&n=${n}`, NO_PREFLIGHT),
];

const bigHeaders = (n) => [post(n, { 'x-large': `${n}${'x'.repeat(15_000)}` })];
const tooBigHeaders = (n) => [post(n, { 'x-larger': `${n}${'x'.repeat(40_000)}` })];
const manyHeaders = (n) => [
  post(n, Object.fromEntries(Array.from({ length: 900 }, (_, each) => [`x-${each}`, String(n)]))),
];
const repeatedHeaders = (n) => [
  post(n, { 'x-organization-id': [`org-${n}`, `org-${n + 1}`], 'x-request-id': [`first-${n}`, `second-${n}`] }),
];
const preflights = (n) => [
  {
    method: 'OPTIONS',
    headers: {
      origin: `https://nobody-${n}.example`,
      'access-control-request-method': 'POST',
      'access-control-request-headers': Array.from({ length: 300 }, (_, each) => `x-${n}-${each}`).join(', '),
    },
  },
];
const otherMethods = (n) => [
  { method: ['PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND'][n % 5], headers: JSON_TYPE, body: QUERY(n) },
];

const coded = (encoding, body) => ({ method: 'POST', headers: { ...JSON_TYPE, 'content-encoding': encoding }, body });
/** 200 MB of spaces in 200 kB. */
let bomb;
const compressedBodies = (n) => {
  const body = [
    () => gzipSync(QUERY(n)),
    () => (bomb ??= gzipSync(Buffer.alloc(200 * 1024 * 1024, ' '), { level: 9 })),
    () => deflateRawSync(QUERY(n)),
  ][n % 3]();
  return [coded(n % 3 === 2 ? 'deflate' : 'gzip', body)];
};
const largeBodies = (n) => [{ ...post(n), body: JSON.stringify({ query: `{ __typename } # ${'x'.repeat(400_000)}` }) }];
const otherTypes = (n) => [
  { ...post(n), headers: { 'content-type': ['text/plain', 'application/graphql', `x/${n}`][n % 3] } },
  { ...post(n), headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x--' },
];

const head = (more) => `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n${more}`;
const oddRequestIds = (n) => {
  const body = QUERY(n);
  const id = ['\u0001\u0002', '\u00ff\u00fe', `"};${n}`, '\u001b[2J', 'a'.repeat(5000)][n % 5];
  return [
    { bytes: `${head('')}X-Request-Id: ${id}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}` },
  ];
};
const oddLines = (n) => [
  {
    bytes: [
      `GET /%zz${n} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
      `POST /graphql HTTP/1.1\r\nHost: a b ${n}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
      `\u0016\u0003\u0001${n}\r\n\r\n`,
      `${head('Transfer-Encoding: chunked\r\n')}Content-Length: 4\r\n\r\nzz${n}\r\n`,
    ][n % 4],
  },
];

/** A byte a second of a body that is promised, until the server has enough of it. */
const slowBodies = (n) => [{ drip: `${head(`Content-Length: ${5000 + n}`)}\r\n\r\n{"query":"` }];
const slowHeaders = (n) => [{ drip: `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ${n}` }];
/** A connection that says nothing. */
const silent = () => [{ drip: '' }];

const STRANGER = ['stranger'];
const ANYONE = ['stranger', 'viewer'];

/** @type {import('./attacks.mjs').Attack[]} */
export const REQUESTS = [
  { name: 'wrong-tokens', by: STRANGER, variants: 2, refused: true, make: wrongTokens },
  { name: 'wrong-keys', by: STRANGER, refused: true, make: wrongKeys },
  { name: 'long-tokens', by: STRANGER, refused: true, make: longToken },
  { name: 'wrong-cookies', by: STRANGER, refused: true, make: wrongCookies },
  { name: 'large-cookies', by: ANYONE, refused: false, make: largeCookies },
  { name: 'many-cookies', by: ANYONE, refused: false, make: manyCookies },
  { name: 'refresh-tokens', by: STRANGER, refused: true, make: refreshTokens },
  { name: 'sign-in-pages', by: STRANGER, variants: 2, refused: true, make: signInPages },
  { name: 'invitation-links', by: STRANGER, refused: false, make: invitations },
  { name: 'directory-tokens', by: STRANGER, variants: 2, refused: true, make: directories },
  { name: 'saml-documents', by: STRANGER, variants: XML.length, refused: true, make: saml },
  { name: 'long-queries-by-get', by: ANYONE, refused: true, make: longQueries },
  { name: 'operation-names-by-get', by: ANYONE, variants: 2, refused: true, make: operationNamesByGet },
  { name: 'mutations-by-get', by: ANYONE, refused: true, make: mutationsByGet },
  { name: 'variables-by-get', by: ANYONE, refused: true, make: variablesByGet },
  { name: 'big-headers', by: ANYONE, refused: false, make: bigHeaders },
  { name: 'too-big-headers', by: STRANGER, refused: true, make: tooBigHeaders },
  { name: 'many-headers', by: ANYONE, refused: true, make: manyHeaders },
  { name: 'repeated-headers', by: ANYONE, refused: false, make: repeatedHeaders },
  { name: 'preflights', by: STRANGER, refused: false, make: preflights },
  { name: 'other-methods', by: STRANGER, variants: 5, refused: true, make: otherMethods },
  { name: 'compressed-bodies', by: STRANGER, variants: 3, refused: false, make: compressedBodies },
  { name: 'large-bodies', by: ANYONE, refused: true, make: largeBodies },
  { name: 'other-types', by: ANYONE, variants: 3, refused: true, make: otherTypes },
  { name: 'odd-request-ids', by: STRANGER, variants: 5, refused: false, make: oddRequestIds },
  { name: 'odd-lines', by: STRANGER, variants: 4, refused: true, make: oddLines },
  { name: 'slow-bodies', by: STRANGER, refused: true, holds: true, make: slowBodies },
  { name: 'slow-headers', by: STRANGER, refused: true, holds: true, make: slowHeaders },
  { name: 'silent-connections', by: STRANGER, refused: true, holds: true, make: silent },
];
