import { USAGE_ALERT } from './tell-of-alert.js';

export const due = [USAGE_ALERT];
