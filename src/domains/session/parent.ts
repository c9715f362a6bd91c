export type { SessionSummary as SessionParent } from '../../identity/sessions.js';
