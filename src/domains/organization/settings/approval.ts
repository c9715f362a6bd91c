import { isDeepStrictEqual } from 'node:util';
import type { RequestContext } from '../../../context/context.js';
import type { LockedDb } from '../../../data/organization/organization-db.js';
import { badInput, OrgateError } from '../../../errors.js';
import { decideFeature } from '../../../permissions/features.js';
import { effective } from '../../../rights/escalation.js';
import { readSettings, type SettingChanges } from './document.js';
import { type SettingPath, type Settings, SETTING_PATHS } from './schema.js';

const isOfApproval = (path: SettingPath): boolean => path.startsWith('approval.');

/**
 * That what people have to allow can be allowed: more of it is asked for where the organization has the feature, it names who can decide and what there is, and
 * others decide before nobody does. Of what does not change nothing is asked.
 *
 * @param ofSetting where the argument of a setting stands
 * @throws BAD_USER_INPUT and FEATURE_DISABLED at the path
 */
export async function assertApprovalFits(
  db: LockedDb,
  context: RequestContext,
  changes: SettingChanges,
  ofSetting: (path: SettingPath) => string,
): Promise<void> {
  if (!SETTING_PATHS.some((path) => isOfApproval(path) && path in changes)) return;
  const before = readSettings(db.held);
  const after = {
    ...before,
    ...Object.fromEntries(Object.entries(changes).map(([path, [, value]]) => [path, value])),
  } as Settings;
  const wanted = changes['approval.requireFor']?.[1] ?? [];
  const standing = { ...db.held, featureFlags: after['featureFlags'] };
  const isSet = (one: (typeof wanted)[number]) =>
    before['approval.requireFor'].some((each) => isDeepStrictEqual(each, one));
  if (!wanted.every(isSet) && !decideFeature(standing, 'approvals').enabled) {
    const argument = ofSetting('approval.requireFor');
    throw new OrgateError('FEATURE_DISABLED', undefined, { feature: 'approvals', argument });
  }
  const [escalation, automatic] = [after['approval.escalationAfterHours'], after['approval.autoApproveAfterHours']];
  if (escalation != null && automatic != null && escalation >= automatic) {
    const path =
      'approval.escalationAfterHours' in changes ? 'approval.escalationAfterHours' : 'approval.autoApproveAfterHours';
    throw badInput(ofSetting(path), 'Others decide strictly before it is approved by itself.');
  }
  for (const { agentId } of wanted) {
    if (agentId != null && !(await db.agent.find({ id: agentId })))
      throw badInput(ofSetting('approval.requireFor'), 'Must be agents of the organization.');
  }
  const to = changes['approval.escalationTo']?.[1];
  await assertCanDecide(db, context, changes['approval.approvers']?.[1] ?? [], ofSetting('approval.approvers'));
  await assertCanDecide(db, context, to == null ? [] : [to], ofSetting('approval.escalationTo'));
}

async function assertCanDecide(
  db: LockedDb,
  { catalogue }: RequestContext,
  ids: readonly string[],
  argument: string,
): Promise<void> {
  if (ids.length === 0) return;
  const members = await db.membership.list({
    where: { userId: { in: [...ids] }, kind: 'PERSON', status: 'ACTIVE' },
    orderBy: { userId: 'asc' },
    take: ids.length,
  });
  const able = members.filter((member) => effective(catalogue, member).has('approval:decide'));
  if (able.length < ids.length) throw badInput(argument, 'Must be active people who hold approval:decide.');
}
