import { bySystem } from '../../src/data/connection/act.js';

/** In whose name tests write straight into an organization's database. */
export const byTest = bySystem('a test');
