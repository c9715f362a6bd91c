import { isDeepStrictEqual } from 'node:util';
import type { RequestContext } from '../../../context/context.js';
import { enterBeside } from '../../../context/enter-beside.js';
import type { Row } from '../../../data/organization/table.js';
import { badInput, orNotFound } from '../../../errors.js';
import { decideFeature, decideLimit, FEATURE_NAMES, LIMIT_NAMES } from '../../../permissions/features.js';
import type { Permission } from '../../../permissions/catalogue.js';
import { can } from '../../../permissions/rules.js';
import type { OrganizationComparisonParent, OrganizationDifferenceParent } from '../parent.js';
import { readSettings } from './document.js';
import { isSettingPath, SETTING_PATHS, SETTINGS } from './schema.js';

/** @throws FORBIDDEN where the organization itself would say so */
export function assertMay(inside: RequestContext, permission: Permission, mode: 'read' | 'write'): void {
  const verdict = can(permission).check(inside, mode, null);
  if (verdict !== true) throw verdict;
}

/**
 * In what two organizations differ that the viewer is a member of.
 *
 * @throws NOT_FOUND for any other, foreign and unknown alike; FORBIDDEN without `organization:read` in both; BAD_USER_INPUT of one and
 *   the same
 */
export async function compareOrganizations(
  named: { readonly a: string; readonly b: string },
  context: RequestContext,
): Promise<OrganizationComparisonParent> {
  const [a, b] = [await enterBeside(context, named.a), await enterBeside(context, named.b)];
  for (const each of [a, b]) assertMay(each, 'organization:read', 'read');
  if (a.organization.orgId === b.organization.orgId) throw badInput('b', 'Must be another one.');
  const [ofA, ofB] = await Promise.all([valuesIn(a), valuesIn(b)]);
  const differences = Object.keys(ofA)
    .filter((path) => !isDeepStrictEqual(ofA[path], ofB[path]))
    .map((path): OrganizationDifferenceParent => ({
      path,
      a: ofA[path],
      b: ofB[path],
      isPromotable: isSettingPath(path) && SETTINGS[path].isPromotable,
    }));
  return { a, b, differences };
}

async function valuesIn({ db, organization }: RequestContext): Promise<Record<string, unknown>> {
  const row: Row<'Organization'> = orNotFound(await db.organization.load(organization.orgId));
  const settings = readSettings(row);
  return Object.fromEntries([
    ...SETTING_PATHS.map((path) => [path, settings[path]]),
    ...FEATURE_NAMES.map((name) => [`features.${name}`, decideFeature(row, name).enabled]),
    ...LIMIT_NAMES.map((name) => [`limits.${name}`, decideLimit(row, name).max]),
  ]);
}
