import type { Config } from './config/config.js';
import type * as Development from './development/index.js';

/** What exists in development only; null in production, whose image need not have it. */
export const loadDevelopment = async ({ development }: Config): Promise<typeof Development | null> =>
  development ? import('./development/index.js') : null;
