import { z } from 'zod';

const MAX_URL = 2000;

/** Somewhere that browsers fetch from: what is in it is seen by everyone. */
export const httpsUrl = z
  .string()
  .trim()
  .transform((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    const problem = problemOf(url);
    if (problem !== null || !url) {
      context.addIssue({ code: 'custom', message: problem ?? 'Not a URL.' });
      return z.NEVER;
    }
    return url.href;
  });

function problemOf(url: URL | null): string | null {
  if (url?.protocol !== 'https:') return 'Must be an https URL.';
  if (url.username !== '' || url.password !== '') return 'Must hold no user name or password.';
  if (url.hash !== '') return 'Must have no fragment.';
  // As it is kept: with what is no ASCII written out.
  if (url.href.length > MAX_URL) return 'Must be at most 2,000 characters.';
  return /[^.]\.[^.]/.test(url.hostname) ? null : 'Must name its host in full.';
}

/** What WCAG 2 wants of text at its usual size (success criterion 1.4.3). */
const LEAST_CONTRAST = 4.5;

const colour = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/, 'Must be # and three or six hexadecimal digits.')
  .transform((text) => (text.length === 4 ? text.replaceAll(/[0-9a-f]/g, '$&$&') : text));

/** A colour, and that of what is written on it. */
export const coloursThatContrast = z
  .object({ primary: colour, onPrimary: colour })
  .refine(
    ({ primary, onPrimary }) => contrast(primary, onPrimary) >= LEAST_CONTRAST,
    `Too alike to be read: their contrast must be ${LEAST_CONTRAST} to 1 or more.`,
  );

/** How much brighter the brighter one is, from 1 to 21. */
function contrast(one: string, other: string): number {
  const [darker = 0, brighter = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (brighter + 0.05) / (darker + 0.05);
}

/** Relative luminance of `#rrggbb` in sRGB, 0 to 1, as WCAG 2 defines it. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
