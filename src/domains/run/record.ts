import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'run.created': 'A run was started.',
    'run.updated': 'Something of a run changed that is not its status, such as that its agent was deleted.',
    'run.awaiting_approval': 'A run waits to be allowed.',
    'run.queued': 'A run waits for an executor, once it was allowed, or again.',
    'run.running': 'A run is worked on.',
    'run.succeeded': 'A run was done.',
    'run.failed': 'A run went wrong.',
    'run.cancelled': 'A run was stopped.',
    'run.deleted': 'A run was deleted.',
    'run.read': 'Runs were to be read.',
    'credential.opened': 'A secret was opened for a run that was claimed, by whoever claimed it.',
  },
  leaves: {
    startRun: 'run.created',
    recordRunProgress: 'run.running',
    cancelRun: 'run.cancelled',
    claimRuns: 'run.running',
  },
  untold: [
    {
      what: 'input, output, tokens and cost of a run, what it was let in with, when it was reported on last, and its idempotency key',
      because: 'they come many times a second, and may be large; its status is told',
      columns: [
        ...(['run.input', 'run.output', 'run.total_tokens', 'run.total_cost_micros', 'run.reported_at'] as const),
        ...(['run.idempotency_key', 'run.estimated_cost_micros', 'run.runs_per_day'] as const),
      ],
    },
    {
      what: 'the queue, whose turn it is, and the claims of runs',
      because: 'that a run waits or is worked on is told of itself, and a lease is renewed many times a second',
      tables: ['run_queue', 'run_turn', 'run_claim'],
      columns: ['run.attempts', 'run.claim_id'],
    },
  ],
} as const satisfies DomainRecord;
