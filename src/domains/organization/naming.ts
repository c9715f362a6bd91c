import { slugText } from './slug.js';

export type NamingPolicy = 'any' | 'regional';

/** How long a slug may be. */
export const LIMITS_OF_NAMES: Readonly<Record<NamingPolicy, number>> = { any: 63, regional: 20 };

/** What is wrong with a slug, whoever has it; nothing of one that can be given. */
export function problemsOf(slug: string, policy: NamingPolicy): string[] {
  const { error } = slugText.safeParse(slug);
  const problems = (error?.issues ?? []).map(({ message }) => message);
  if (policy === 'any') return problems;
  const limit = LIMITS_OF_NAMES[policy];
  if (slug.length < 4 || slug.length > limit) problems.push(`4 to ${limit} characters, and this has ${slug.length}.`);
  if (!/^[a-z-]*$/.test(slug)) problems.push('Letters and hyphens only.');
  return problems;
}

/** What a slug is put together from. */
export interface NameParts {
  readonly head: string;
  /** The region's tag and the environment, as far as it has them. */
  readonly tails: readonly string[];
}

/** So many are tried until one is free. */
const MOST_CANDIDATES = 60;
/** Less of the beginning says nothing. */
const LEAST_HEAD = 3;

const SHORT: Readonly<Record<string, string>> = {
  prod: 'prd',
  staging: 'stg',
  pilot: 'plt',
  perf: 'prf',
};

const LETTERS = [...'bcdefghijklmnopqrstuvwxyz'];
/** What is put behind a name whose own letters are too few, or were taken with each of those: digits by the letter of their place. */
const endingsOf = (head: string): string[] => [
  [...head.replaceAll(/\D/g, '')].map((digit) => 'abcdefghij'[Number(digit)]).join('') || 'org',
  'org',
  ...['b', 'c'].flatMap((first) => LETTERS.map((second) => first + second)),
];

/** Slugs that fit and are like this one, the most alike first. */
export function candidatesFor({ head, tails }: NameParts, policy: NamingPolicy): string[] {
  const limit = LIMITS_OF_NAMES[policy];
  const plain = clean(head, policy) || 'org';
  const candidates = new Set<string>();
  for (const tail of tailsOf(tails)) {
    const room = limit - tail.length;
    if (room < LEAST_HEAD) continue;
    candidates.add(ahead(plain, room) + tail);
    for (const letter of LETTERS) candidates.add(`${ahead(plain, room - 2)}-${letter}${tail}`);
  }
  if (tails.length === 0) {
    for (const ending of endingsOf(head.slice(0, limit))) {
      const end = ending.slice(0, limit - 1 - LEAST_HEAD);
      candidates.add(`${ahead(plain, limit - 1 - end.length)}-${end}`);
    }
  }
  return [...candidates].filter((slug) => problemsOf(slug, policy).length === 0).slice(0, MOST_CANDIDATES);
}

const ahead = (text: string, room: number): string => text.slice(0, room).replace(/-+$/, '');

const clean = (text: string, policy: NamingPolicy): string =>
  text
    .toLowerCase()
    .replaceAll(policy === 'regional' ? /[^a-z-]/g : /[^a-z0-9-]/g, '')
    .replaceAll(/-+/g, '-')
    .replaceAll(/^-|-$/g, '');

/** In full, then with the environment cut short, then with the region, too. */
function* tailsOf(tails: readonly string[]): Generator<string> {
  const join = (parts: readonly string[]) => parts.map((part) => `-${part}`).join('');
  yield join(tails);
  yield join(tails.map((part) => SHORT[part] ?? part));
  yield join(tails.map((part) => SHORT[part] ?? part.slice(0, 4)));
}
