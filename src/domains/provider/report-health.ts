import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { notFound, orNotFound } from '../../errors.js';
import { parseInput } from '../../resource/input.js';
import { readActorNow } from '../../rights/actor.js';
import { renewClaim } from '../run/index.js';
import { lentToExecutor } from './routing/index.js';

const healthInput = z.object({
  provider: z.string(),
  healthy: z.boolean(),
  detail: z
    .string()
    .trim()
    .max(500, 'At most 500 characters.')
    .nullish()
    .transform((detail) => detail || null),
});

/** So long one that does not answer is passed over. */
const RETRY_MS = 60_000;

/** As many as an organization has credentials. */
export const MAX_REPORTED = 500;

/**
 * Keeps how a provider was found: of two reports at once the second overwrites the first.
 *
 * @throws NOT_FOUND for one that whoever reports has no credential of; CONFLICT when the claim is over; FORBIDDEN when the actor lost the permission
 */
export async function reportProviderHealth(input: unknown, context: RequestContext): Promise<Row<'ProviderHealth'>> {
  const report = parseInput(healthInput, input);
  const known = await context.db.transaction((tx) => change(tx, report, context));
  // The first of a provider is counted among the others, and waits for whoever else makes one; whoever works waits for nobody.
  return known ?? context.db.locked((db) => makeFirst(db, report, context));
}

type Report = z.output<typeof healthInput>;

/** @returns null for the first of its provider */
async function change(
  tx: OrganizationDb,
  { provider, ...said }: Report,
  context: RequestContext,
): Promise<Row<'ProviderHealth'> | null> {
  const claim = context.viewer?.claim ?? null;
  if (claim) await renewClaim(tx, claim);
  else await readActorNow(context, 'run:record');
  const lent = await lentToExecutor(tx, claim?.by.kind === 'EXECUTOR');
  if (!lent.some((each) => each.provider === provider)) throw notFound();
  await tx.providerHealth.updateMany({ provider }, { ...said, ...timesOf(said, tx) });
  return tx.providerHealth.find({ provider });
}

async function makeFirst(db: LockedDb, report: Report, context: RequestContext): Promise<Row<'ProviderHealth'>> {
  // Somebody may have been first, or whoever reports may not any more.
  const known = await change(db, report, context);
  if (known) return known;
  if ((await db.providerHealth.count({})) >= MAX_REPORTED) {
    const named = await db.credential.ids('provider', { kind: 'LLM_PROVIDER' });
    await db.providerHealth.delete({ provider: { notIn: named } });
  }
  // The release before this one takes no lock for it.
  await db.providerHealth.createMany([{ ...report, ...timesOf(report, db) }], { skipTaken: true });
  return orNotFound(await change(db, report, context));
}

const timesOf = ({ healthy }: Pick<Report, 'healthy'>, db: OrganizationDb) => {
  const reportedAt = db.now();
  return { reportedAt, retryAt: healthy ? null : new Date(reportedAt.getTime() + RETRY_MS) };
};
