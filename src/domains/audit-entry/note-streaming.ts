import type { RequestContext } from '../../context/context.js';
import { openEntryWriter } from './outside.js';
import type { record } from './record.js';

const STREAMED: keyof typeof record.actions = 'audit.streamed';

/** Writes that somebody fetches the record. A SIEM comes every minute: once a day of each is enough. */
export async function noteStreaming({ outside, organization, act }: RequestContext): Promise<void> {
  const entry = { act, action: STREAMED, outcome: 'DONE', targetType: 'audit', onceIn: '1 day' } as const;
  await outside(openEntryWriter)(organization.orgId, [entry]);
}
