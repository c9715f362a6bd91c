import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'run.provider_resolved': 'A run was told which provider to call.',
    'run.provider_unavailable': 'A run was to call a provider, and there was none that could be called.',
    'provider_health.created': 'An executor said for the first time whether a provider answers.',
    'provider_health.updated': 'A provider answers no more, or again.',
    'provider_health.deleted': 'What was said of a provider that no credential names any more was forgotten.',
  },
  leaves: {
    resolveProvider: 'run.provider_resolved',
    reportProviderHealth: 'provider_health.updated',
  },
  untold: [
    {
      what: 'which providers runs were told to call, as rows',
      because: 'each is told of its run, as `run.provider_resolved` or `run.provider_unavailable`',
      tables: ['provider_resolution'],
    },
    {
      what: 'when a provider was last reported on, with which words, and when it is tried again',
      because: 'the same is said again with every call; that it answers no more, or again, is told',
      columns: ['provider_health.detail', 'provider_health.reported_at', 'provider_health.retry_at'],
    },
  ],
} as const satisfies DomainRecord;
