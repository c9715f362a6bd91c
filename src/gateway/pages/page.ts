import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';

/** Markup in which all text that was filled in is escaped. */
export interface Html {
  readonly markup: string;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** Escapes every text that is filled in; markup that was made the same way goes in as it is. */
export function html(parts: TemplateStringsArray, ...filled: (string | Html | readonly Html[])[]): Html {
  const markup = parts.map((part, index) => {
    const value = filled[index] ?? '';
    const values = typeof value === 'string' ? [{ markup: escape(value) }] : [value].flat();
    return part + values.map((each) => each.markup).join('');
  });
  return { markup: markup.join('') };
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 36rem; margin: 4rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; }
button, .button { font: inherit; padding: .5rem 1.2rem; margin-right: .5rem; border: 1px solid; border-radius: .4rem; cursor: pointer; }
form { display: inline; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
td { padding: .2rem 1rem .2rem 0; vertical-align: top; }
`;

/** No script, nothing from elsewhere, in no frame; forms come back here. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A small page of the gateway's own. */
export const sendPage = (reply: FastifyReply, status: number, title: string, body: Html): FastifyReply =>
  reply
    .code(status)
    .header('content-security-policy', POLICY)
    // A path may hold a secret and goes nowhere; without the origin, no form of ours could be told from another site's.
    .header('referrer-policy', 'strict-origin')
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
        `${html`<title>${title}</title>`.markup}<style>${STYLE}</style></head><body>${body.markup}</body></html>`,
    );
