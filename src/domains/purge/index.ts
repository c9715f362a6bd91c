import { defineDomain } from '../../resource/define-domain.js';
import { PURGE } from './purge.js';
import { record } from './record.js';

export { PURGE };

/** What deletes organizations: no client asks for it. */
export const purge = defineDomain({ resolvers: {}, access: {}, record, owed: [PURGE] });
