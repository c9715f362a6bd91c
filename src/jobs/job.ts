import type { Deployment } from '../context/deployment.js';

/** Work that is done again and again beside the requests, by every replica: it claims what it does in the database. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** @param signal ends it early; what is left is for the next time */
  run(deployment: Deployment, signal: AbortSignal): Promise<void>;
  /** What is left to do for this process once no request is in flight and it is about to end; not waited for longer than that has. */
  atEnd?(deployment: Deployment): Promise<void>;
}
