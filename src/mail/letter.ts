import type { Branding } from '../branding.js';
import { html, type Html } from '../html.js';
import type { Mail } from './mail.js';

/** A part of a letter: a paragraph, something to copy, or what is to be done about it, of which there is one. */
export type Part = string | { readonly code: string } | { readonly action: string; readonly url: string };

/** What a mail says. */
export interface Letter {
  readonly subject: string;
  /** The first is what it is about. */
  readonly parts: readonly Part[];
  /** For whom it is, and what to do who did not expect it. */
  readonly closing?: string;
}

/**
 * Writes a letter twice, as plain text and as a page, which say the same.
 *
 * @param dress how the organization looks that it is from
 */
export function writeLetter(
  { subject, parts, closing }: Letter,
  dress: Branding | null = null,
): Pick<Required<Mail>, 'subject' | 'text' | 'html'> {
  const help = dress?.supportEmail ? [`Questions? ${dress.supportEmail}`] : [];
  const closings = [...(closing === undefined ? [] : [closing]), ...help];
  const text = [...parts.map(asText), ...closings].join('\n\n');
  return { subject, text: `${text}\n`, html: asPage(subject, parts, closings, dress) };
}

function asText(part: Part): string {
  if (typeof part === 'string') return part;
  return 'code' in part ? part.code : `${part.action}:\n${part.url}`;
}

const FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const MONO = 'font-family:ui-monospace,Menlo,Consolas,monospace';

function asMarkup(part: Part, { primary, onPrimary }: { readonly primary: string; readonly onPrimary: string }): Html {
  if (typeof part === 'string') return html`<p style="margin:0 0 16px">${part}</p>`;
  if ('code' in part) {
    return html`<pre
      class="code"
      style="${MONO};margin:0 0 16px;padding:12px 14px;border-radius:8px;background:#f4f5f6;font-size:13px;line-height:20px;white-space:pre-wrap;word-break:break-word"
    >
${part.code}</pre>`;
  }
  return html`<p style="margin:24px 0">
    <a
      class="button"
      href="${part.url}"
      style="display:inline-block;padding:11px 22px;border-radius:9px;background:${primary};color:${onPrimary};font-weight:600;text-decoration:none"
      >${part.action}</a
    >
  </p>`;
}

/** Mail programs keep little of a style sheet: what it must have stands at each element, and the rest is for the dark. */
const STYLE = `:root{color-scheme:light dark}
@media(prefers-color-scheme:dark){.ground{background:#0e1012!important}.card{background:#16191c!important;border-color:#2a2f35!important}
.card,.card h1{color:#eef0f2!important}.closing{color:#a0a8b2!important}.code{background:#1d2125!important}
}`;
/** Where an organization has no colours of its own, its button turns with the page. */
const BUTTON_STYLE = '@media(prefers-color-scheme:dark){.button{background:#eef0f2!important;color:#14171a!important}}';
const COLOURS = { primary: '#14171a', onPrimary: '#ffffff' };

/** Whose letter it is, above it. */
function headOf({ logoUrl, displayName }: Branding): Html {
  const name = displayName ?? '';
  const logo = logoUrl
    ? html`<img src="${logoUrl}" alt="${name}" height="32" style="height:32px;max-width:160px;vertical-align:middle" />`
    : html``;
  const said = logoUrl === null || name === '' ? name : ` ${name}`;
  return html`<p
    class="closing"
    style="${FONT};max-width:520px;margin:0 auto 16px;color:#59616b;font-size:15px;line-height:20px;font-weight:600"
  >
    ${logo}${said}
  </p>`;
}

function asPage(subject: string, parts: readonly Part[], closings: readonly string[], dress: Branding | null): string {
  const colours = dress?.colours ?? COLOURS;
  const content = html`<body class="ground" style="margin:0;padding:32px 16px;background:#f4f5f6">
    ${dress?.displayName || dress?.logoUrl ? headOf(dress) : html``}
    <div
      class="card"
      role="article"
      lang="en"
      style="${FONT};max-width:520px;margin:0 auto;padding:32px;border:1px solid #e1e4e7;border-radius:14px;background:#ffffff;color:#14171a;font-size:16px;line-height:24px;word-break:break-word"
    >
      <h1 style="margin:0 0 12px;font-size:21px;line-height:28px;font-weight:600;color:#14171a">${subject}</h1>
      ${parts.map((part) => asMarkup(part, colours))}
      ${closings.map(
        (closing) =>
          html`<p class="closing" style="margin:24px 0 0;color:#59616b;font-size:14px;line-height:20px">${closing}</p>`,
      )}
    </div>
  </body>`;
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">` +
    `<meta name="color-scheme" content="light dark"><title>${html`${subject}`.markup}</title><style>${STYLE}${dress?.colours ? '' : BUTTON_STYLE}</style></head>${content.markup}</html>`
  );
}
