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
