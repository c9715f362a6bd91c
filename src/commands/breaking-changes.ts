import { buildSchema, findBreakingChanges } from 'graphql';

/**
 * What a change of the contract breaks for clients, and the changelog does not say: each as GraphQL describes it, which is how
 * the changelog is to say it.
 *
 * @param before the SDL that clients know
 * @param changelog the whole of it; what counts is what it says of the next version
 */
export function unsaidBreaks(before: string, after: string, changelog: string): string[] {
  const [, unreleased = ''] = /^## Unreleased\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(changelog) ?? [];
  const said = unreleased.replaceAll(/[\s`]+/g, ' ');
  return findBreakingChanges(buildSchema(before), buildSchema(after))
    .map(({ description }) => description)
    .filter((description) => !said.includes(description.replace(/\.$/, '')));
}
