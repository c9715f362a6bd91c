import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, orNotFound } from '../../errors.js';
import type { ProviderKind } from '../../generated/enums.js';
import { SEAL } from '../../secrets/organization-seal.js';
import { openHeldEntryWriter } from '../audit-entry/index.js';
import { readSettings } from '../organization/settings/index.js';
import { lentToExecutor, listProviders, MAX_RESOLUTIONS } from '../provider/routing/index.js';
import type { ClaimedCredentialParent, ClaimedRunParent } from './parent.js';
import type { record } from './record.js';
import { claimOf, holdClaimed, isWorkedOn, notWorkedOn, readHeld, renewClaim } from './use-claim.js';

/**
 * Whom a claimed run calls: what it was told this attempt; before that, of language models, the first of the organization's list that its
 * executor may have a credential for, or the organization's usual one where there is no list.
 */
async function callsOf(
  context: RequestContext,
): Promise<{ llm: string | null; image: string | null; lent: Row<'Credential'>[] }> {
  const { db } = context;
  const { runId, attempt, by } = claimOf(context);
  const [told, lent, organization] = await Promise.all([
    db.providerResolution.list({ where: { runId, attempt }, orderBy: { number: 'desc' }, take: MAX_RESOLUTIONS }),
    lentToExecutor(db, by.kind === 'EXECUTOR'),
    db.organization.get({}),
  ]);
  const last = (kind: ProviderKind) => told.find((each) => each.kind === kind)?.name ?? null;
  const { names, isUsual } = listProviders(readSettings(organization), 'LLM');
  const first = names.find((name) => lent.some(({ provider }) => provider === name));
  return { llm: last('LLM') ?? first ?? (isUsual ? (names[0] ?? null) : null), image: last('IMAGE'), lent };
}

/** The provider of language models that a claimed run calls; null where none is to be had. */
export const providerOf = async (context: RequestContext): Promise<string | null> => (await context.once(callsOf)).llm;

/**
 * What a claimed run needs and nothing else: a credential of each of its providers, that of its repository, and those that its agent names. One that
 * is not enabled nobody gets, and a machine of the deployment those alone that say so. They are read before it is looked at whether the run is
 * still worked on: of one that is lost in between nothing is answered.
 *
 * @throws CONFLICT when the run was cancelled, or ended otherwise
 */
export async function credentialsOf(
  { repository, agent }: ClaimedRunParent,
  context: RequestContext,
): Promise<ClaimedCredentialParent[]> {
  const { db } = context;
  const claim = claimOf(context);
  const isShared = claim.by.kind === 'EXECUTOR';
  const isFor = ({ enabled, sharedExecutors }: Row<'Credential'>): boolean => enabled && (sharedExecutors || !isShared);
  const { llm, image, lent } = await context.once(callsOf);
  const named = await Promise.all(
    [repository?.credentialId ?? null, ...(agent?.credentialIds ?? [])]
      .filter((id) => id !== null)
      .map((id) => db.credential.load(id)),
  );
  const { run } = await readHeld(db, claim);
  if (!isWorkedOn(run, claim)) throw notWorkedOn();
  const ofProviders = [llm, image].map((name) => lent.find(({ provider }) => provider === name));
  const needed = [...ofProviders, ...named].filter((each) => each != null).filter(isFor);
  const once = new Map(needed.map((each) => [each.id, each]));
  return [...once.values()].map(({ id, kind, name, provider: of, config }) => ({
    id,
    kind,
    name,
    provider: of,
    config: config as Record<string, unknown>,
  }));
}

const OPENED: keyof typeof record.actions = 'credential.opened';

/**
 * Opens a secret for the run that was claimed, and tells it in the same transaction: what could not be told is not shown. It is asked anew whether
 * the run may have it.
 *
 * @throws CONFLICT when the claim is over, the run was cancelled, or it may not have it any more
 */
export async function openSecret({ id }: ClaimedCredentialParent, context: RequestContext): Promise<string> {
  const claim = claimOf(context);
  const { organization, outside, act, use } = context;
  return context.db.transaction(async (tx) => {
    await holdClaimed(tx, claim);
    await renewClaim(tx, claim);
    const lent = { id, enabled: true, ...(claim.by.kind === 'EXECUTOR' && { sharedExecutors: true }) };
    if ((await tx.credential.updateMany(lent, { lastUsedAt: tx.now() })) === 0)
      throw conflict('This credential was taken back.');
    const { secret, name } = orNotFound(await tx.credential.find({ id }));
    await outside(openHeldEntryWriter)(organization.orgId, [
      {
        act,
        action: OPENED,
        outcome: 'DONE',
        targetType: 'credential',
        targetId: id,
        changes: { run_id: [null, claim.runId], name: [null, name] },
      },
    ]);
    return use(SEAL).open(tx, secret, { orgId: organization.orgId, table: 'credential', id });
  });
}
