import { OrgateError } from '../errors.js';

/** Who named several organizations at once, or with a key another than the key's: for the log of the deployment. */
export class ConflictingNamesError extends Error {
  override readonly name = 'ConflictingNamesError';

  constructor(readonly asked: { readonly viewer?: string; readonly apiKey?: string; readonly directory?: string }) {
    super('named several organizations');
  }
}

export const conflictingNames = (...asked: ConstructorParameters<typeof ConflictingNamesError>): OrgateError =>
  new OrgateError('ORG_CONTEXT_CONFLICT', undefined, {}, { cause: new ConflictingNamesError(...asked) });
