import { badInput } from '../../errors.js';
import type { WholeRecord } from '../../resource/record.js';

/** A word of the record, or none. @throws BAD_USER_INPUT at `argument` */
export function parseAction(
  { actions }: WholeRecord,
  word: string | null | undefined,
  argument: string,
): string | null {
  if (word == null || actions.has(word)) return word ?? null;
  const kindOf = (action: string) => action.split('.')[0] ?? '';
  const words = [...actions.keys()];
  const alike = words.filter((action) => kindOf(action) === kindOf(word));
  const named =
    alike.length > 0
      ? `There are ${alike.join(', ')}.`
      : `It begins with one of ${[...new Set(words.map(kindOf))].join(', ')}, and a dot.`;
  throw badInput(argument, `There is no such action. ${named}`);
}
