import { attributeName, isText, SCIM, ScimError } from './protocol.js';

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
  const changes: Operation[] = [];
  for (const each of operations) {
    const { op, path, value } = asObject(each);
    const kind = typeof op === 'string' ? op.toLowerCase() : '';
    if (kind !== 'add' && kind !== 'replace' && kind !== 'remove') {
      throw new ScimError('invalidSyntax', 'op: Must be add, replace or remove.');
    }
    if (typeof path === 'string') addChanges(changes, kind, path, value);
    else if (kind === 'remove' || path != null) throw new ScimError('noTarget', 'path: Says what to remove.');
    else addChangesOfAll(changes, kind, asObject(value));
  }
  return changes;
}

/** The body of a POST or PUT, attribute by attribute. */
export function readResource(body: unknown): Operation[] {
  const changes: Operation[] = [];
  addChangesOfAll(changes, 'replace', asObject(body));
  return changes;
}

/** A resource has a dozen attributes of its own, and some of extensions. */
const MAX_ATTRIBUTES = 300;
/** Of all operations of one request. */
const MAX_CHANGES = 5000;

function addChangesOfAll(
  changes: Operation[],
  kind: Operation['kind'],
  attributes: Record<string, unknown>,
  isExtension = false,
): void {
  for (const [name, value] of entriesOf(attributes)) addChanges(changes, kind, name, value, isExtension);
}

function entriesOf(attributes: Record<string, unknown>): [string, unknown][] {
  const entries = Object.entries(attributes);
  if (entries.length > MAX_ATTRIBUTES) throw new ScimError('invalidValue', `At most ${MAX_ATTRIBUTES} attributes.`);
  return entries;
}

/** @param isExtension whether it stands in an object that a schema names, which holds attributes and no other schema */
function addChanges(
  changes: Operation[],
  kind: Operation['kind'],
  path: string,
  value: unknown,
  isExtension = false,
): void {
  if (path.length > 500) throw new ScimError('invalidPath', 'path: At most 500 characters.');
  if (!isText(path)) throw new ScimError('invalidPath', 'path: Not valid text.');
  const name = attributeName(path);
  // The one attribute of attributes that has a meaning here; what has parts itself is no part.
  if (name === 'name') {
    const parts = kind === 'remove' ? { formatted: null, givenName: null, familyName: null } : asObject(value ?? {});
    for (const [part, each] of entriesOf(parts)) addChanges(changes, kind, `name.${part}`, each, true);
    return;
  }
  if (name === SCIM.user.toLowerCase() || name === SCIM.group.toLowerCase()) {
    if (isExtension) throw new ScimError('invalidPath', 'A schema holds no schema.');
    addChangesOfAll(changes, kind, asObject(value), true);
    return;
  }
  // Of several addresses the one for work counts; see user-resource.
  if (name.startsWith('emails') && /\[\s*type\s+eq\s+"(?!work")/i.test(path)) return;
  const selected = text(/\[\s*value\s+eq\s+"([^"\\\]]*)"\s*\]/i.exec(path)?.[1], 'path');
  // Whom a selection means that is not read here, nobody knows: least of all everyone.
  if (name === 'members' && path.includes('[') && (selected === null || kind === 'replace')) {
    throw new ScimError('invalidPath', 'members: Only [value eq "…"] selects among them, to add or remove.');
  }
  if (changes.length >= MAX_CHANGES) throw new ScimError('invalidValue', `At most ${MAX_CHANGES} changes.`);
  changes.push({ kind, name, selected, value });
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new ScimError('invalidSyntax', 'A JSON object is needed.');
}

/** Text, or null where nothing is said. */
export function text(value: unknown, name: string): string | null {
  if (value === null || value === undefined || value === '') return null;
  if (typeof value !== 'string') throw new ScimError('invalidValue', `${name}: Must be text.`);
  if (!isText(value)) throw new ScimError('invalidValue', `${name}: Not valid text.`);
  return value;
}
