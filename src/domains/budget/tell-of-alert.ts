import { z } from 'zod';
import type { OrgId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { DueKind } from '../../jobs/due-kind.js';
import type { Letter } from '../../mail/letter.js';
import type { Use } from '../../parts.js';
import { notify } from '../notification/index.js';
import { MICROS } from '../run/index.js';

/** Tells an organization's OWNERs that a part of a limit was used. The database asks for it, with the alert. */
const kindOf = (name: string, metric: string): DueKind<object> => ({
  name,
  payload: z.object({}),
  run: async ({ orgId, subject }, { use }) => ({
    settle: (db) => tellOf(db, orgId, { metric, subject, occasion: `${name}/${subject}` }, use),
  }),
});

export const USAGE_ALERT = kindOf('usage-alert', 'cost');
export const CALLS_ALERT = kindOf('calls-alert', 'api_calls');

interface Alert {
  readonly metric: string;
  /** Period and threshold: `2026-11/80`. */
  readonly subject: string;
  readonly occasion: string;
}

async function tellOf(db: LockedDb, orgId: OrgId, { metric, subject, occasion }: Alert, use: Use): Promise<void> {
  const [period = '', threshold] = subject.split('/');
  const alert = await db.usageAlert.find({ period, metric, thresholdPercent: Number(threshold) });
  if (!alert) return;
  const letter =
    metric === 'cost'
      ? notice(alert, (await db.budget.find({}))?.hardStop ?? true, db.held.name)
      : noticeOfCalls(alert, db.held.name);
  await notify(db, orgId, { owners: true }, { kind: 'ALERT', targetId: null, occasion, letter }, use);
}

const inUnits = (micros: bigint): string => (Number(micros) / MICROS).toFixed(2);

function notice(
  { period, thresholdPercent, limitMicros, settledMicros }: Row<'UsageAlert'>,
  isHard: boolean,
  organization: string,
): Letter {
  const isDay = period.length > 'YYYY-MM'.length;
  const atLimit = isHard
    ? 'Where nothing is left, no run begins; those under way are asked to stop once they have spent what was held for them.'
    : 'Nothing is refused at the limit.';
  return {
    subject: `${organization} has spent ${thresholdPercent}% of its ${isDay ? 'daily' : 'monthly'} limit`,
    parts: [
      `${organization} has spent ${inUnits(settledMicros)} of ${inUnits(limitMicros)} in ${period} (UTC). ${atLimit}`,
      'An OWNER changes the limit:',
      {
        code: `mutation { setCostLimits(input: { ${isDay ? 'daily' : 'monthly'}LimitMicros: ${limitMicros * 2n} }) { hardStopAtLimit } }`,
      },
    ],
  };
}

const noticeOfCalls = (
  { period, thresholdPercent, maxQuantity, usedQuantity }: Row<'UsageAlert'>,
  organization: string,
): Letter => ({
  subject: `${organization} has made ${thresholdPercent}% of the API calls that it has for a month`,
  parts: [
    `${organization} has made ${usedQuantity} of ${maxQuantity} API calls in ${period} (UTC). None is refused for it.`,
    'How many it has is agreed with whoever runs this service.',
  ],
});
