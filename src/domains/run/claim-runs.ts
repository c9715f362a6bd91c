import type { RequestContext } from '../../context/context.js';
import { PLAN_WEIGHTS, REPORT } from '../../context/deployment.js';
import { newId } from '../../data/id.js';
import { readActorNow } from '../../rights/actor.js';
import { makeMachineToken } from '../../secrets/machine-token.js';
import { type MadeClaim, openSharedQueue } from './outside.js';
import { returnLostRunsOf } from './return-lost-runs.js';

export interface ClaimWanted {
  readonly max: number;
  readonly leaseSeconds: number;
  readonly agentIds: readonly string[] | null;
}

/** So many lost ones of the organization go back before a claim of its own, so that it need not wait for the round that looks for them. */
const RETURNED_FIRST = 10;

/**
 * Claims runs that wait: for an executor of the deployment in turn between the organizations that let it, for whoever else asks in the
 * current one. Each comes with a token for it alone.
 *
 * @throws UNAUTHENTICATED or FORBIDDEN when whoever asks in an organization may not any more
 */
export async function claimRuns({ max, leaseSeconds, agentIds }: ClaimWanted, context: RequestContext) {
  const { viewer, outside, deployment, act, use } = context;
  const tokens = Array.from({ length: max }, () => {
    const id = newId('clm');
    return { id, ...makeMachineToken('claim', id) };
  });
  const queue = outside(openSharedQueue);
  const wanted = { tokens, leaseSeconds, agentIds, weights: use(PLAN_WEIGHTS) };
  // What others lost is no matter of a machine of the deployment: it would wait for organizations that are too busy.
  const claims = viewer?.executor ? await queue.claimFairly(viewer.executor, wanted, act) : await claimOwn();
  const tokenOf = new Map(tokens.map(({ id, token }) => [id, token]));
  return { runs: claims.map((claim) => ({ ...claim, token: tokenOf.get(claim.claimId) ?? '' })) };

  async function claimOwn(): Promise<MadeClaim[]> {
    const { orgId } = context.organization;
    await returnLostRunsOf(deployment, orgId, RETURNED_FIRST).catch((error: unknown) =>
      use(REPORT)(error, 'lost runs were not put back'),
    );
    const claimant = { orgId, memberId: context.actorId, apiKeyId: viewer?.apiKey?.id ?? null };
    return context.db.transaction(async () => {
      const made = await queue.claimOwn(claimant, wanted, act);
      // It waited for the organization, and of who was removed, demoted or revoked meanwhile nothing is claimed.
      if (made.length > 0) await readActorNow(context, 'run:claim');
      return made;
    });
  }
}
