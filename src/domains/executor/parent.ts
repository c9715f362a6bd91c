import type { ExecutorRow } from './outside.js';

/** What `Executor` is answered from. */
export type ExecutorParent = ExecutorRow;
