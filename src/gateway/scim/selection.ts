import { attributeName, ScimError } from './protocol.js';

/** Which attributes to answer; `id` and `schemas` always are. */
export interface SelectionParameters {
  readonly attributes?: string;
  readonly excludedAttributes?: string;
}

/** The same, read once for all resources of an answer. */
export interface Selection {
  readonly wantsMembers: boolean;
  select(resource: object): object;
}

const MAX_NAMES = 50;
const MAX_CHARACTERS = 2000;

export function readSelection({ attributes, excludedAttributes }: SelectionParameters): Selection {
  const [wanted, unwanted] = [namesIn(attributes), namesIn(excludedAttributes)];
  const isSelected = (name: string) => (wanted.size > 0 ? wanted.has(name) : !unwanted.has(name));
  return {
    wantsMembers: !unwanted.has('members') && isSelected('members'),
    select(resource) {
      if (wanted.size + unwanted.size === 0) return resource;
      return Object.fromEntries(
        Object.entries(resource).filter(
          ([name]) => name === 'id' || name === 'schemas' || isSelected(name.toLowerCase()),
        ),
      );
    },
  };
}

function namesIn(list = ''): ReadonlySet<string> {
  const names = list.length > MAX_CHARACTERS ? null : list.split(',').filter(Boolean);
  if (!names || names.length > MAX_NAMES) {
    throw new ScimError('invalidValue', `At most ${MAX_NAMES} attributes, and ${MAX_CHARACTERS} characters.`);
  }
  return new Set(names.map((name) => attributeName(name).replace(/\..*$/s, '')));
}
