import { html } from '../../html.js';

/** A gate that stands open. */
const GATE =
  '<path d="M5 20v-8a7 7 0 0 1 14 0v8" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round"/>' +
  '<circle cx="12" cy="14.5" r="2.4" fill="currentColor"/>';

/** Beside the product's name, which says it all to whoever does not see it. */
export const MARK = { markup: `<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">${GATE}</svg>` };

export const FAVICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><style>svg{color:#0b6e5f}' +
  `@media(prefers-color-scheme:dark){svg{color:#5ed3bb}}</style>${GATE}</svg>`;

/** The first letter of a name, where people know a picture. */
export const initial = (name: string) =>
  html`<span class="initial" aria-hidden="true">${[...name.trim()][0]?.toUpperCase() ?? ''}</span>`;

/** One look for all pages: light and dark as the browser has it, from 320 pixels on. Every pair of colours has a contrast of 4.5. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f4f5f6; --card: #fff; --raised: #f7f8f8; --line: #e1e4e7; --rim: #c6cbd1; --edge: #868d96;
  --text: #14171a; --muted: #59616b; --accent: #0b6e5f; --button: #14171a; --on-button: #fff; --pressed: #30363d;
  --shadow: 0 1px 2px #1018200d, 0 8px 24px #1018200d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1012; --card: #16191c; --raised: #1d2125; --line: #2a2f35; --rim: #3b424a; --edge: #737b85;
    --text: #eef0f2; --muted: #a0a8b2; --accent: #5ed3bb; --button: #eef0f2; --on-button: #14171a; --pressed: #c9ced4;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
html { font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; padding: 24px 16px 48px; background: var(--ground); color: var(--text);
  display: flex; flex-direction: column; align-items: center; overflow-wrap: anywhere;
}
body > * { width: 100%; max-width: 416px; }
body.wide > * { max-width: 760px; }
body::before { content: ''; flex: 0 1 14vh; }
body.wide::before { flex-basis: 0; }
header { display: flex; align-items: center; gap: 9px; margin-bottom: 20px; font-weight: 600; letter-spacing: -.01em; }
.logo { flex: none; height: 28px; max-width: 140px; object-fit: contain; }
header svg { flex: none; color: var(--accent); }
main { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 32px; box-shadow: var(--shadow); }
footer { margin-top: 16px; color: var(--muted); font-size: 13px; }
main > :first-child { margin-top: 0; }
main > :last-child { margin-bottom: 0; }
h1 { margin: 0 0 8px; font-size: 23px; line-height: 1.25; font-weight: 600; letter-spacing: -.02em; text-wrap: balance; }
p { margin: 0 0 16px; text-wrap: pretty; }
.lead, .small { color: var(--muted); }
.small { font-size: 14px; }
a { color: var(--accent); text-underline-offset: 3px; text-decoration-thickness: 1px; }
code, pre { font: 13px/1.55 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
pre { margin: 16px 0; padding: 16px; background: var(--raised); border: 1px solid var(--line); border-radius: 10px; white-space: pre-wrap; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
form { margin: 0; }
.actions { display: grid; gap: 8px; margin: 24px 0 0; }
button, .button {
  display: flex; align-items: center; justify-content: center; gap: 8px; width: 100%; min-height: 44px; padding: 9px 16px;
  border: 1px solid transparent; border-radius: 9px; background: var(--button); color: var(--on-button);
  font: inherit; font-weight: 550; text-align: center; text-decoration: none; cursor: pointer;
}
button:hover, .button:hover { background: var(--pressed); }
.second { background: transparent; border-color: var(--rim); color: var(--text); }
.second:hover { background: var(--raised); }
.quiet { background: transparent; color: var(--muted); font-weight: 400; }
.quiet:hover { background: var(--raised); color: var(--text); }
.small-button { width: auto; min-height: 32px; padding: 3px 12px; font-size: 14px; }
button, .button, label, th { overflow-wrap: break-word; }
.facts { margin: 20px 0 0; border-top: 1px solid var(--line); }
.facts div { display: flex; gap: 16px; padding: 10px 0; border-bottom: 1px solid var(--line); }
.facts dt { flex: 0 0 82px; color: var(--muted); }
.facts dd { flex: 1; margin: 0; min-width: 0; }
.facts small { display: block; color: var(--muted); font-size: 14px; }
.who { display: flex; align-items: flex-start; gap: 12px; margin: 20px 0 0; }
.actions + .who { margin-top: 24px; padding-top: 20px; border-top: 1px solid var(--line); }
.who > div { flex: 1; min-width: 0; }
.who p { margin: 0; line-height: 1.35; }
.who small { display: block; color: var(--muted); font-size: 14px; }
.ways { display: flex; flex-wrap: wrap; gap: 0 20px; font-size: 14px; }
.ways a, .link { padding: 6px 0; }
.link, .link:hover {
  width: auto; min-height: 0; border: 0; border-radius: 2px; background: none; color: var(--accent);
  font-weight: 400; text-decoration: underline; text-underline-offset: 3px; text-decoration-thickness: 1px;
}
.initial {
  flex: none; display: grid; place-items: center; width: 36px; height: 36px; border-radius: 9px;
  background: var(--raised); border: 1px solid var(--line); color: var(--accent); font-weight: 600;
}
.who .initial { border-radius: 50%; }
.choices { list-style: none; margin: 20px 0 0; padding: 0; border: 1px solid var(--line); border-radius: 11px; }
.choices li + li { border-top: 1px solid var(--line); }
.choices a, .choices button, .choices .plain {
  display: flex; align-items: center; justify-content: flex-start; gap: 12px; min-height: 56px; padding: 9px 14px;
  border: 0; border-radius: 10px; background: none; color: var(--text); font-weight: 500; text-align: left; text-decoration: none;
}
.choices a:hover, .choices button:hover { background: var(--raised); }
.choices a::after, .choices button::after { content: '›'; margin-left: auto; padding-left: 8px; color: var(--muted); font-size: 20px; }
.choices .plain form { flex: none; margin-left: auto; }
.choices .plain button {
  width: auto; min-height: 36px; padding: 5px 14px; border-radius: 9px; background: var(--button); color: var(--on-button); font-size: 14px;
}
.choices .plain button:hover { background: var(--pressed); }
.choices .plain button::after { content: none; }
.choices small { display: block; color: var(--muted); font-weight: 400; font-size: 14px; }
.choices span:not(.initial) { min-width: 0; line-height: 1.35; }
.or { display: flex; align-items: center; gap: 12px; margin: 24px 0 16px; color: var(--muted); font-size: 14px; }
.or::before, .or::after { content: ''; flex: 1; border-top: 1px solid var(--line); }
label { display: block; margin-bottom: 16px; font-weight: 500; }
input:not([type='checkbox'], [type='hidden']) {
  display: block; width: 100%; min-height: 44px; margin-top: 6px; padding: 9px 12px; border: 1px solid var(--edge); border-radius: 9px;
  background: var(--card); color: inherit; font: inherit;
}
::placeholder { color: var(--muted); opacity: 1; }
.check { display: flex; align-items: center; gap: 10px; min-height: 28px; font-weight: 400; }
.check input { flex: none; width: 18px; height: 18px; margin: 0; accent-color: var(--accent); }
table { width: 100%; margin-top: 20px; border-collapse: collapse; font-size: 15px; }
th { text-align: left; color: var(--muted); font-size: 13px; font-weight: 500; }
th, td { padding: 9px 16px 9px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
.at { white-space: nowrap; }
td small { display: block; color: var(--muted); font-size: 13px; }
.good { color: var(--accent); }
details { margin-top: 6px; }
summary { padding: 4px 0; color: var(--muted); font-size: 14px; cursor: pointer; }
details pre { margin: 4px 0 0; }
@media (max-width: 480px) {
  body { padding: 20px 20px 40px; background: var(--card); }
  body::before { flex-basis: 0; }
  header { margin-bottom: 28px; }
  main { padding: 0; border: 0; border-radius: 0; box-shadow: none; }
  table, tbody, tr, td { display: block; }
  thead { display: none; }
  tr { padding: 10px 0; border-bottom: 1px solid var(--line); }
  td { padding: 2px 0; border: 0; }
}
`;
