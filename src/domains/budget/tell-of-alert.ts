import { z } from 'zod';
import type { OrgId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { DueKind } from '../../jobs/due-kind.js';
import { writeLetter } from '../../mail/letter.js';
import { OUTBOX, type Outbox } from '../../mail/outbox.js';
import { emailsOfOwners } from '../../rights/owners.js';
import { MICROS } from '../run/index.js';

/** Tells an organization's OWNERs that a part of a limit was spent. The database asks for it, with the alert. */
export const USAGE_ALERT: DueKind<object> = {
  name: 'usage-alert',
  payload: z.object({}),
  run: async ({ orgId, subject }, { use }) => ({ settle: (db) => tellOf(db, orgId, subject, use(OUTBOX)) }),
};

/** @param subject period and threshold: `2026-11/80` */
async function tellOf(db: LockedDb, orgId: OrgId, subject: string, outbox: Outbox): Promise<void> {
  const [period = '', threshold = ''] = subject.split('/');
  const alert = await db.usageAlert.find({ period, thresholdPercent: Number(threshold) });
  if (!alert) return;
  const budget = await db.budget.find({});
  const letter = notice(alert, budget?.hardStop ?? true, db.held.name);
  for (const to of await emailsOfOwners(db)) await outbox.queue(db, orgId, { to, ...letter });
}

const inUnits = (micros: bigint): string => (Number(micros) / MICROS).toFixed(2);

function notice(
  { period, thresholdPercent, limitMicros, settledMicros }: Row<'UsageAlert'>,
  isHard: boolean,
  organization: string,
) {
  const isDay = period.length > 'YYYY-MM'.length;
  const atLimit = isHard
    ? 'Where nothing is left, no run begins; those under way are asked to stop once they have spent what was held for them.'
    : 'Nothing is refused at the limit.';
  return writeLetter({
    subject: `${organization} has spent ${thresholdPercent} % of its ${isDay ? 'daily' : 'monthly'} limit`,
    parts: [
      `${organization} has spent ${inUnits(settledMicros)} of ${inUnits(limitMicros)} in ${period} (UTC). ${atLimit}`,
      'An OWNER changes the limit:',
      {
        code: `mutation { setCostLimits(input: { ${isDay ? 'daily' : 'monthly'}LimitMicros: ${limitMicros * 2n} }) { hardStopAtLimit } }`,
      },
    ],
  });
}
