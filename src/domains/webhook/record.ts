import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'webhook.created': 'A webhook was made.',
    'webhook.updated': 'A webhook changed, or got another secret.',
    'webhook.active': 'A webhook is told what happens again.',
    'webhook.disabled': 'A webhook is told nothing more: somebody switched it off, or its other side takes nothing.',
    'webhook.deleted': 'A webhook was deleted.',
    'webhook.tested': 'A test was sent to a webhook.',
    'webhook.redelivered': 'An event was sent to a webhook once more.',
    'webhook.replayed': 'What happened since a moment is told to a webhook anew.',
    'webhook.manage': 'Webhooks were to be read.',
  },
  leaves: {
    createWebhook: 'webhook.created',
    updateWebhook: 'webhook.updated',
    rotateWebhookSecret: 'webhook.updated',
    deleteWebhook: 'webhook.deleted',
    testWebhook: 'webhook.tested',
    redeliver: 'webhook.redelivered',
    replayWebhook: 'webhook.replayed',
  },
  untold: [
    {
      what: 'what is sent to webhooks, and what came of it',
      because: 'of each entry there would be another, which would be sent as well; `Webhook.attempts` shows it',
      tables: ['webhook_delivery', 'webhook_attempt'],
      columns: ['webhook.handled_to'],
    },
  ],
} as const satisfies DomainRecord;
