/** Text that has to stand in one of a few fields, upper and lower case being the same. */
export interface Search<F extends string = string> {
  readonly text: string;
  readonly in: readonly F[];
  /** Those of them that hold lower case only: to lower what a row holds is most of what looking at it costs. */
  readonly lowered?: readonly F[] | undefined;
}

/** The text as `like` takes it to the letter: what means any text, any letter or an escape there means itself. */
export const asLiteral = (text: string): string => text.replaceAll(/[\\%_]/g, String.raw`\$&`);
