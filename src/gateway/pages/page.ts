import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { html, type Html } from '../../html.js';
import { MARK, STYLE } from './look.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** What people who use it call what stands behind this gateway. */
    productName: string;
  }
}

/** Of a page that is not like most of them. */
export interface PageOptions {
  /** For tables. */
  readonly wide?: boolean;
  /** Below the page, for whoever looks after it. */
  readonly footer?: Html;
  /** Where the page leads on to, by itself and at once. */
  readonly onward?: string;
  /** Whether its form ends in another site's page: browsers hold against a form all that its answer leads to. */
  readonly formsLeadAnywhere?: boolean;
}

const STYLE_HASH = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

/** No script, nothing from elsewhere, in no frame; forms come back here. */
const policy = ({ formsLeadAnywhere = false }: PageOptions): string =>
  [
    "default-src 'none'",
    `style-src ${STYLE_HASH}`,
    "img-src 'self'",
    ...(formsLeadAnywhere ? [] : ["form-action 'self'"]),
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** A small page of the gateway's own. */
export const sendPage = (
  reply: FastifyReply,
  status: number,
  title: string,
  body: Html,
  options: PageOptions = {},
): FastifyReply =>
  reply
    .code(status)
    .headers(pageHeaders(options))
    .send(renderPage(reply.server.productName, title, body, options));

export const pageHeaders = (options: PageOptions = {}): Record<string, string> => ({
  'content-security-policy': policy(options),
  // A path may hold a secret and goes nowhere; without the origin, no form of ours could be told from another site's.
  'referrer-policy': 'strict-origin',
  'content-type': 'text/html; charset=utf-8',
});

export function renderPage(
  productName: string,
  title: string,
  body: Html,
  { wide = false, footer, onward }: PageOptions = {},
): string {
  const refresh = onward === undefined ? html`` : html`<meta http-equiv="refresh" content="0;url=${onward}" />`;
  const head = html`<meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="robots" content="noindex" />
    ${refresh}
    <title>${title === productName ? title : `${title} · ${productName}`}</title>
    <link rel="icon" href="/favicon.svg" type="image/svg+xml" />`;
  const below = footer ? html`<footer>${footer}</footer>` : html``;
  const content = html`<header>${MARK}<span>${productName}</span></header>
    <main>${body}</main>
    ${below}`;
  return (
    `<!doctype html><html lang="en"><head>${head.markup}<style>${STYLE}</style></head>` +
    `<body${wide ? ' class="wide"' : ''}>${content.markup}</body></html>`
  );
}
