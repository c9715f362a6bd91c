import { existsSync } from 'node:fs';
import { type Config, ConfigError } from './config/config.js';
import type * as Development from './development/index.js';

/**
 * What exists in development only; null in production, whose image need not have it.
 *
 * @throws ConfigError where it should exist, and was left out
 */
export async function loadDevelopment({ development }: Config): Promise<typeof Development | null> {
  if (!development) return null;
  if (!existsSync(new URL('./development/', import.meta.url)))
    throw new ConfigError('This is an image for production, without development/: set NODE_ENV=production.');
  return import('./development/index.js');
}
