import { attributeName, SCIM, ScimError } from './protocol.js';

/** One change of one attribute, however it was sent. */
export interface Operation {
  readonly kind: 'add' | 'replace' | 'remove';
  /** In lower case: `username`, `name.givenname`, `members`. */
  readonly name: string;
  /** What a path such as `members[value eq "…"]` selects. */
  readonly selected: string | null;
  readonly value: unknown;
}

const MAX_OPERATIONS = 1000;

/**
 * Reads the body of a PATCH in the forms that directories send: `op` in any case, a path or an object of attributes without
 * one, names with dots in that object (Entra ID), a value or a selection to remove (Entra ID, Okta).
 */
export function readPatch(body: unknown): Operation[] {
  const { Operations: operations } = asObject(body);
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > MAX_OPERATIONS) {
    throw new ScimError('invalidSyntax', `Operations: A list of 1 to ${MAX_OPERATIONS} operations is needed.`);
  }
  return operations.flatMap((each: unknown) => {
    const { op, path, value } = asObject(each);
    const kind = typeof op === 'string' ? op.toLowerCase() : '';
    if (kind !== 'add' && kind !== 'replace' && kind !== 'remove') {
      throw new ScimError('invalidSyntax', 'op: Must be add, replace or remove.');
    }
    if (typeof path === 'string') return changesOf(kind, path, value);
    if (kind === 'remove' || path != null) throw new ScimError('noTarget', 'path: Says what to remove.');
    return changesOfAll(kind, asObject(value));
  });
}

/** The body of a POST or PUT, attribute by attribute. */
export const readResource = (body: unknown): Operation[] => changesOfAll('replace', asObject(body));

const changesOfAll = (kind: Operation['kind'], attributes: Record<string, unknown>): Operation[] =>
  Object.entries(attributes).flatMap(([path, value]) => changesOf(kind, path, value));

function changesOf(kind: Operation['kind'], path: string, value: unknown): Operation[] {
  if (path.length > 500) throw new ScimError('invalidPath', 'path: At most 500 characters.');
  const name = attributeName(path);
  // The one attribute of attributes that has a meaning here.
  if (name === 'name') {
    const parts = kind === 'remove' ? { formatted: null, givenName: null, familyName: null } : asObject(value ?? {});
    return Object.entries(parts).flatMap(([part, each]) => changesOf(kind, `name.${part}`, each));
  }
  if (name === SCIM.user.toLowerCase() || name === SCIM.group.toLowerCase()) return changesOfAll(kind, asObject(value));
  // Of several addresses the one for work counts; see user-resource.
  if (name.startsWith('emails') && /\[\s*type\s+eq\s+"(?!work")/i.test(path)) return [];
  const [, selected = null] = /\[\s*value\s+eq\s+"([^"\\\]]*)"\s*\]/i.exec(path) ?? [];
  return [{ kind, name, selected, value }];
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ScimError('invalidSyntax', 'A JSON object is needed.');
}

/** Text, or null where nothing is said. */
export function text(value: unknown, name: string): string | null {
  if (value === null || value === undefined || value === '') return null;
  if (typeof value !== 'string') throw new ScimError('invalidValue', `${name}: Must be text.`);
  if (value.includes('\0') || !value.isWellFormed()) throw new ScimError('invalidValue', `${name}: Not valid text.`);
  return value;
}
