import { type Deployment, REAL_TIME } from '../../context/deployment.js';
import { bySystem } from '../../data/connection/act.js';
import type { OrgId } from '../../data/id.js';
import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { OwedKind } from '../../jobs/due-kind.js';
import { eraseRecord, openEntryWriter, openSealing } from '../audit-entry/index.js';
import { openPurging } from './outside.js';
import type { record } from './record.js';

/** Rows that one statement deletes. */
const BATCH = 500;
/** So long it works before others have their turn. */
const TURN_MS = 20_000;

const ACT = bySystem('purge');
const PURGED: keyof typeof record.actions = 'organization.purged';

/** One step of a purge, which may be done again and again: what is done already is not there any more. */
interface Step {
  readonly name: string;
  /** Does a part of it. @returns whether there may be more */
  readonly part: () => Promise<boolean>;
}

/**
 * Deletes an organization whose grace is over, step by step and each in small parts, so that nobody waits for it. Killed
 * anywhere it begins again at the first step and ends the same.
 */
export const PURGE: OwedKind = {
  name: 'purge',
  atOnce: 2,
  mostMs: 5 * 60_000,
  async run({ subject, signal }, deployment) {
    const purging = deployment.outside(openPurging);
    const orgId = purging.organizationOf(subject);
    const db = deployment.organizationDb(orgId, ACT);
    const organization = await db.organization.find({});
    if (organization) {
      const begun = await begin(db, organization, deployment);
      if (begun !== 'begun') return begun === null ? undefined : { again: begun };
      const until = performance.now() + TURN_MS;
      for (const step of await stepsOf(orgId, deployment)) {
        while (await step.part()) {
          signal.throwIfAborted();
          if (performance.now() > until) return { again: db.now() };
        }
        await tell(orgId, step.name, deployment);
      }
      await eraseAll(orgId, deployment, signal);
      for (const name of ['audit_entry', 'organization']) await tell(orgId, name, deployment);
      // Somebody may have been told of meanwhile, who tried to come in.
      const erased = async () => {
        await eraseAll(orgId, deployment, signal);
        return purging.finish(orgId);
      };
      let end = await erased();
      while (end === 'UNERASED') end = await erased();
      if (!end) throw new Error('an organization whose grace is over was not deleted');
    }
    await sealAll(orgId, deployment, signal);
  },
};

/**
 * From here on it is not taken back. The database lets nothing go before `purgeAt` by its own clock: where a developer
 * moved the time on, that is taken off first.
 *
 * @returns when to look again; null where there is nothing to do
 */
async function begin(
  db: RequestDb,
  { id, status, purgeAt, purgeBeganAt }: Row<'Organization'>,
  { use, outside }: Deployment,
): Promise<'begun' | Date | null> {
  if (status !== 'PENDING_DELETION' || purgeAt === null) return null;
  if (purgeBeganAt !== null) return 'begun';
  if (purgeAt > db.now()) return purgeAt;
  if (purgeAt > use(REAL_TIME)()) {
    const purging = outside(openPurging);
    await purging.bringForward(purging.organizationOf(id));
  }
  return db.locked(async (inside) => {
    const { held } = inside;
    if (held.status !== 'PENDING_DELETION' || held.purgeAt === null || held.purgeAt > inside.now()) return held.purgeAt;
    await inside.organization.update({}, { purgeBeganAt: inside.now() });
    return 'begun';
  });
}

/** Outside first, while its providers are known; then again, since someone may have been on their way in. */
async function stepsOf(orgId: OrgId, { outside }: Deployment): Promise<Step[]> {
  const purging = outside(openPurging);
  const forget = async () => (await purging.forget(orgId, BATCH)) > 0;
  const tables = await purging.listTables();
  return [
    { name: 'session', part: forget },
    // What was sealed under it opens nowhere any more, in no backup of what follows either.
    ...tables
      .toSorted((a, b) => Number(b === 'data_key') - Number(a === 'data_key'))
      .map((name) => ({ name, part: async () => (await purging.deleteRows(orgId, name, BATCH)) === BATCH })),
    { name: 'session', part: forget },
  ];
}

/** Says once in the record that a step was done. */
async function tell(orgId: OrgId, name: string, { outside }: Deployment): Promise<void> {
  if (await outside(openPurging).isTold(orgId, name)) return;
  await outside(openEntryWriter)(orgId, [{ act: ACT, action: PURGED, outcome: 'DONE', targetType: name }]);
}

async function eraseAll(orgId: OrgId, deployment: Deployment, signal: AbortSignal): Promise<void> {
  await sealAll(orgId, deployment, signal);
  await eraseRecord(deployment.outside, orgId, signal);
}

/** What is sealed can be erased, and no entry waits when its organization is gone. */
async function sealAll(orgId: OrgId, { outside }: Deployment, signal: AbortSignal): Promise<void> {
  while ((await outside(openSealing).seal(orgId, 1000)) > 0) signal.throwIfAborted();
}
