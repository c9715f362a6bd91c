import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'budget.created': 'What may be spent was limited.',
    'budget.updated': 'What may be spent was limited, or otherwise than before.',
    'budget.deleted': 'A budget was deleted.',
    'limit.threshold_reached': 'So much of a limit was spent, for the first time in its day or month.',
    'limit.cleared': 'A limit that was used up has room again: it was raised, or another day or month began.',
  },
  leaves: { setCostLimits: 'budget.updated' },
  untold: [
    {
      what: 'what is counted in a budget',
      because: 'it follows from usage and runs',
      columns: [
        ...([
          'budget.day',
          'budget.day_settled_micros',
          'budget.month_settled_micros',
          'budget.reserved_micros',
        ] as const),
        ...(['budget.run_day', 'budget.run_count', 'budget.changed_at'] as const),
      ],
    },
    {
      what: 'alerts',
      because: 'that a threshold was reached is told of the budget',
      tables: ['usage_alert'],
    },
  ],
} as const satisfies DomainRecord;
