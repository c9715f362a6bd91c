import type { Filter, Row } from '../../data/organization/table.js';
import type { AuditEntryFilter } from '../../generated/graphql.js';

export type EntryFilter = Filter<Row<'AuditEntry'>>;

/** Which rows a filter leaves. */
export function whichEntries(filter: AuditEntryFilter | null | undefined): EntryFilter {
  const { actorId, action, targetId, outcome, from, before } = filter ?? {};
  return {
    ...(actorId != null && { actorId }),
    ...(action != null && { action }),
    ...(targetId != null && { targetId }),
    ...(outcome != null && { outcome }),
    ...((from != null || before != null) && { at: { ...(from && { gte: from }), ...(before && { lt: before }) } }),
  };
}
