import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { Branding } from '../../branding.js';
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
  /** The origin of another host of the deployment that its form leads to. */
  readonly formsLeadTo?: string;
  /** How the organization looks whose page it is; null where it is the deployment's own. */
  readonly dress?: Branding | null;
  /** Whether its form ends in another site's page: browsers hold against a form all that its answer leads to. */
  readonly formsLeadAnywhere?: boolean;
}

const hashOf = (style: string): string => `'sha256-${createHash('sha256').update(style).digest('base64')}'`;
const STYLE_HASH = hashOf(STYLE);

/** What the colours of an organization change, light and dark: what is pressed. They were checked when they were chosen. */
const styleOf = (dress: Branding | null): string[] =>
  dress?.colours
    ? [
        `:root { --button: ${dress.colours.primary}; --on-button: ${dress.colours.onPrimary}; --pressed: ${dress.colours.primary}; }`,
      ]
    : [];

/** No script, nothing from elsewhere, in no frame; forms come back here. */
const policy = ({ formsLeadAnywhere = false, formsLeadTo, dress = null }: PageOptions): string =>
  [
    "default-src 'none'",
    `style-src ${[STYLE_HASH, ...styleOf(dress).map(hashOf)].join(' ')}`,
    `img-src ${["'self'", ...(dress?.logoUrl == null ? [] : [new URL(dress.logoUrl).origin])].join(' ')}`,
    ...(formsLeadAnywhere ? [] : [`form-action ${["'self'", ...(formsLeadTo ? [formsLeadTo] : [])].join(' ')}`]),
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
  { wide = false, footer, onward, dress = null }: PageOptions = {},
): string {
  const refresh = onward === undefined ? html`` : html`<meta http-equiv="refresh" content="0;url=${onward}" />`;
  const head = html`<meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="robots" content="noindex" />
    ${refresh}
    <title>${title === productName ? title : `${title} · ${productName}`}</title>
    <link rel="icon" href="/favicon.svg" type="image/svg+xml" />`;
  const help = dress?.supportEmail
    ? html`<p>Questions? <a href="mailto:${dress.supportEmail}">${dress.supportEmail}</a></p>`
    : html``;
  const below = footer || dress?.supportEmail ? html`<footer>${help}${footer ?? html``}</footer>` : html``;
  const content = html`<header>${headOf(productName, dress)}</header>
    <main>${body}</main>
    ${below}`;
  return (
    `<!doctype html><html lang="en"><head>${head.markup}${[STYLE, ...styleOf(dress)].map((style) => `<style>${style}</style>`).join('')}</head>` +
    `<body${wide ? ' class="wide"' : ''}>${content.markup}</body></html>`
  );
}

/** Whose page it is. A logo says it to whoever sees it, and the name to everybody. */
function headOf(productName: string, dress: Branding | null): Html {
  const mark = dress?.logoUrl
    ? html`<img class="logo" src="${dress.logoUrl}" alt="" referrerpolicy="no-referrer" />`
    : MARK;
  return html`${mark}<span>${dress?.displayName ?? productName}</span>`;
}
