import { readdirSync, readFileSync } from 'node:fs';
import {
  buildASTSchema,
  type DocumentNode,
  FieldsOnCorrectTypeRule,
  type GraphQLSchema,
  KnownArgumentNamesRule,
  KnownDirectivesRule,
  KnownFragmentNamesRule,
  KnownTypeNamesRule,
  parse,
  ProvidedRequiredArgumentsRule,
  ScalarLeafsRule,
  validate,
  ValuesOfCorrectTypeRule,
} from 'graphql';

/** What a slip of the pen breaks. Those are left out that compare everything with everything, which attacks are made for. */
const RULES = [
  FieldsOnCorrectTypeRule,
  KnownArgumentNamesRule,
  KnownDirectivesRule,
  KnownFragmentNamesRule,
  KnownTypeNamesRule,
  ProvidedRequiredArgumentsRule,
  ScalarLeafsRule,
  ValuesOfCorrectTypeRule,
];
/** Longer ones are attacks. */
const MOST_CHARACTERS = 20_000;

const CONTRACT = new URL('../../schema/', import.meta.url);
const KEPT = Symbol.for('orgate: the contract that documents of tests are checked against');

/** Made once for all test files of a worker. */
function contract(): GraphQLSchema {
  const kept = globalThis as { [KEPT]?: GraphQLSchema };
  return (kept[KEPT] ??= buildASTSchema(
    parse(
      readdirSync(CONTRACT)
        .map((file) => readFileSync(new URL(file, CONTRACT), 'utf8'))
        .join('\n'),
      { noLocation: true },
    ),
    { assumeValidSDL: true },
  ));
}

const onPurpose = new Set<string>();

/** A document that is wrong on purpose. */
export function unchecked(text: string): string {
  onPurpose.add(text);
  return text;
}

/**
 * What is put together while a test runs, no compiler has seen: a misspelt field of it would hide behind whatever error the
 * test expects. @throws what is wrong with it
 */
export function checkSpelling(text: string): void {
  if (onPurpose.has(text) || text.length > MOST_CHARACTERS) return;
  const document = parsed(text);
  if (document === null) return;
  const [error] = validate(contract(), document, RULES, { maxErrors: 1 });
  if (error) throw new Error(`${error.message} If that is meant, say unchecked(…): ${text}`);
}

/** Null of what is no GraphQL at all, which no slip makes of what was. */
function parsed(text: string): DocumentNode | null {
  try {
    return parse(text);
  } catch {
    return null;
  }
}
