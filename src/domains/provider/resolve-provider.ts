import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, OrgateError, orNotFound } from '../../errors.js';
import { ProviderKind } from '../../generated/enums.js';
import { NEWS } from '../../jobs/news.js';
import { parseInput } from '../../resource/input.js';
import { readSettings } from '../organization/settings/index.js';
import { claimOf, putBack, renewClaim } from '../run/index.js';
import { openHeldPaidUses } from '../usage/index.js';
import {
  type Choice,
  chooseProvider,
  lentToExecutor,
  listProviders,
  MAX_RESOLUTIONS,
  type Paid,
} from './routing/index.js';

const resolveInput = z.object({
  kind: z.enum(ProviderKind),
  model: z
    .string()
    .trim()
    .min(1, 'Must not be blank.')
    .max(100, 'At most 100 characters.')
    .nullish()
    .transform((model) => model ?? null),
});

/** By how many uses it is known what a provider costs, and of what. */
const USES = 100;
const METRIC_OF = { LLM: 'tokens', IMAGE: 'images' } as const satisfies Record<ProviderKind, string>;

/**
 * Says which provider a claimed run is to call, and keeps what it said. Where there is none the run waits again, or ends, in the same transaction:
 * of this and whoever takes the run back the second sees the first.
 *
 * @throws PROVIDER_UNAVAILABLE, and the claim is over; CONFLICT when it was before, or the run is not RUNNING any more; LIMIT_REACHED
 */
export async function resolveProvider(input: unknown, context: RequestContext): Promise<Row<'ProviderResolution'>> {
  const { kind, model } = parseInput(resolveInput, input);
  const claim = claimOf(context);
  const { runId, attempt } = claim;
  const resolved = await context.db.transaction(async (tx) => {
    await tx.run.updateMany({ id: runId, claimId: claim.id }, { claimId: claim.id }); // whoever ends the claim waits
    await renewClaim(tx, claim);
    const run = orNotFound(await tx.run.find({ id: runId }));
    if (run.status !== 'RUNNING') throw conflict(`A ${run.status} run calls nobody.`);
    const before = await tx.providerResolution.count({ runId });
    if (before >= MAX_RESOLUTIONS) {
      const detail = { limit: 'resolutions', max: MAX_RESOLUTIONS, used: before };
      throw new OrgateError('LIMIT_REACHED', `A run asks ${MAX_RESOLUTIONS} times at most.`, detail);
    }
    const settings = readSettings(await tx.organization.get({}));
    const { passedOver, ...choice } = await choose(tx, kind, settings, context);
    const at = tx.now();
    const told = await tx.providerResolution.create({
      runId,
      number: before + 1,
      attempt,
      kind,
      ...choice,
      model: model ?? settings['agentExecution.defaultModel'],
      passedOver: passedOver.map((each) => ({ ...each })),
      at,
    });
    if (told.name === null) {
      await tx.runClaim.updateMany({ id: claim.id }, { endedAt: at });
      await putBack(tx, run, (times) => `No provider could be called; it was tried ${times}.`);
    }
    return told;
  });
  if (resolved.name !== null) return resolved;
  context.use(NEWS).reported(context.organization.orgId, runId);
  throw new OrgateError('PROVIDER_UNAVAILABLE');
}

async function choose(
  tx: OrganizationDb,
  kind: ProviderKind,
  settings: ReturnType<typeof readSettings>,
  context: RequestContext,
): Promise<Choice> {
  const list = listProviders(settings, kind);
  const lent = await lentToExecutor(tx, claimOf(context).by.kind === 'EXECUTOR');
  const where = { provider: { in: list.names }, retryAt: { gt: tx.now() } };
  const unhealthy = await tx.providerHealth.list({ where, orderBy: { provider: 'asc' }, take: list.names.length });
  return chooseProvider(list, {
    known: new Set(lent.map(({ provider }) => provider)),
    unhealthy: new Set(unhealthy.map(({ provider }) => provider)),
    paid: settings['providerRouting.costOptimization'] ? await paidTo(list.names, kind, context) : null,
  });
}

async function paidTo(
  providers: readonly string[],
  kind: ProviderKind,
  { outside, organization: { orgId } }: RequestContext,
): Promise<ReadonlyMap<string, Paid>> {
  const paid = await outside(openHeldPaidUses)(orgId, METRIC_OF[kind], providers, USES);
  return new Map(paid.map((each) => [each.provider, each]));
}
