import type { Row } from '../../data/organization/table.js';
import type { RunChange, RunStatus } from '../../generated/enums.js';

/** Something that changed of a run. */
export interface RunUpdateParent {
  readonly cursor: string;
  readonly change: RunChange;
  readonly status: RunStatus;
  readonly at: Date;
  /** Null once it is deleted. */
  readonly run: Row<'Run'> | null;
}
