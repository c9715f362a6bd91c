import { LIMIT_CLEARS } from './clear-limit.js';
import { CALLS_ALERT, USAGE_ALERT } from './tell-of-alert.js';

export const due = [USAGE_ALERT, CALLS_ALERT, LIMIT_CLEARS];
