import { CHECK_DOMAIN } from './check-domain.js';

export const owed = [CHECK_DOMAIN];
