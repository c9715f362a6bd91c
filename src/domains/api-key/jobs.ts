import { KEY_ENDS } from './tell-of-ending-key.js';

export const due = [KEY_ENDS];
