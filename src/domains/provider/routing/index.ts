import type { OrganizationDb } from '../../../data/organization/organization-db.js';
import type { Row } from '../../../data/organization/table.js';
import type { ProviderKind } from '../../../generated/enums.js';
import type { readSettings } from '../../organization/settings/index.js';
import type { ProviderList } from './choose-provider.js';

export { chooseProvider, type Choice, type Paid } from './choose-provider.js';

/** A run asks so often at most; the database says the same. */
export const MAX_RESOLUTIONS = 100;

/** Of a provider there may be many; an organization has no more. */
const MOST = 500;

/** Whom an organization lets its runs call. */
export function listProviders(settings: ReturnType<typeof readSettings>, kind: ProviderKind): ProviderList {
  const isLlm = kind === 'LLM';
  const preferred = settings[isLlm ? 'providerRouting.llmPreference' : 'providerRouting.imagePreference'];
  const instead = settings[isLlm ? 'providerRouting.llmFallback' : 'providerRouting.imageFallback'];
  const listed = [
    ...(preferred === null ? [] : [preferred]),
    ...(settings['providerRouting.fallbackEnabled'] ? instead : []),
  ];
  const usual = settings['agentExecution.defaultProvider'];
  const isUsual = listed.length === 0;
  return { names: isUsual ? (usual === null ? [] : [usual]) : [...new Set(listed)], preferred, isUsual };
}

/**
 * The credentials of providers that a run's executor may have, by name; whoever none of them names is unknown to it.
 *
 * @param isShared whether it is a machine of the deployment
 */
export const lentToExecutor = (
  db: Pick<OrganizationDb, 'credential'>,
  isShared: boolean,
): Promise<Row<'Credential'>[]> =>
  db.credential.list({
    where: { kind: 'LLM_PROVIDER', enabled: true, ...(isShared && { sharedExecutors: true }) },
    orderBy: { name: 'asc' },
    take: MOST,
  });
