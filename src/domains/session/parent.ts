export type { SessionCard as SessionParent } from '../../identity/sessions.js';
