import { hash, randomBytes } from 'node:crypto';

/** 256 random bits, to be given to one party once. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** What is kept of a secret. It is random enough that a plain hash cannot be turned back. */
export const hashSecret = (secret: string): string => hash('sha256', secret, 'base64url');
