import { DOCUMENTS } from './documents.mjs';
import { ATTACKED_PROVIDER, REQUESTS } from './requests.mjs';

export { ATTACKED_PROVIDER };

/** Every kind of attack, each of which can be run alone. */
export const ATTACKS = [...DOCUMENTS, ...REQUESTS];
