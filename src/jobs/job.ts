import type { Deployment } from '../context/deployment.js';

/** Work that is done again and again beside the requests, by every replica: it claims what it does in the database. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** @param signal ends it early; what is left is for the next time */
  run(deployment: Deployment, signal: AbortSignal): Promise<void>;
}
