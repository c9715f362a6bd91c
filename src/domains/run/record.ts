import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'run.created': 'A run was started.',
    'run.updated': 'Something of a run changed that is not its status, such as that its agent was deleted.',
    'run.queued': 'A run waits again.',
    'run.running': 'A run is worked on.',
    'run.succeeded': 'A run was done.',
    'run.failed': 'A run went wrong.',
    'run.cancelled': 'A run was stopped.',
    'run.deleted': 'A run was deleted.',
    'run.read': 'Runs were to be read.',
  },
  leaves: { startRun: 'run.created', recordRunProgress: 'run.running', cancelRun: 'run.cancelled' },
  untold: [
    {
      what: 'input, output, tokens and cost of a run, what it was let in with, when it was reported on last, and its idempotency key',
      because: 'they come many times a second, and may be large; its status is told',
      columns: [
        ...(['run.input', 'run.output', 'run.total_tokens', 'run.total_cost_micros', 'run.reported_at'] as const),
        ...(['run.idempotency_key', 'run.estimated_cost_micros', 'run.runs_per_day'] as const),
      ],
    },
  ],
} as const satisfies DomainRecord;
