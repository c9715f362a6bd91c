export type { Joinable as JoinableOrganizationParent } from './outside.js';
