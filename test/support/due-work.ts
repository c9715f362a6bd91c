import { PLAN_WEIGHTS } from '../../src/context/deployment.js';
import type { Outside } from '../../src/data/connection/outside.js';
import type { OrgId } from '../../src/data/id.js';
import type { DueKind, OwedKind } from '../../src/jobs/due-kind.js';
import { createDueWork, type DueWorkers, type DueWorkLimits, type EndedRun } from '../../src/jobs/due-work.js';
import type { Mailer } from '../../src/mail/mail.js';
import { createOutbox, OUTBOX, sendMail } from '../../src/mail/outbox.js';
import { openSmtp } from '../../src/mail/smtp.js';
import { Parts } from '../../src/parts.js';
import { USUAL_WEIGHTS } from '../../src/permissions/features.js';
import { createOrganizationSeal } from '../../src/secrets/organization-seal.js';
import { createSeal } from '../../src/secrets/seal.js';
import { byTest } from './act.js';
import type { TestServer } from './server.js';

/** As every test server seals. */
export const seal = createOrganizationSeal(createSeal([Buffer.alloc(32, 7).toString('base64')]));
export const outbox = createOutbox(seal);

interface Replica {
  readonly kinds?: readonly DueKind<never>[];
  readonly owed?: readonly OwedKind[];
  readonly parts?: Parts;
  readonly limits?: DueWorkLimits;
  readonly outside?: Outside;
}

/** Does due work beside the server's own, as another replica does. */
export interface DueReplica extends DueWorkers {
  /** Every attempt that is over. */
  readonly ended: EndedRun[];
  /** Begins what is due, and waits until nothing of it is left to do. */
  workOff(): Promise<void>;
}

export function openReplica({ database }: Pick<TestServer, 'database'>, replica: Replica): DueReplica {
  const { kinds = [], owed = [], parts = new Parts(), outside = database.outside } = replica;
  const { organizationDb, pool } = database;
  const ended: EndedRun[] = [];
  const work = createDueWork(
    {
      deployment: {
        outside,
        organizationDb,
        now: () => pool.clock.now(),
        use: parts.add(OUTBOX, outbox).add(PLAN_WEIGHTS, USUAL_WEIGHTS).use,
      },
      kinds: kinds as readonly DueKind<unknown>[],
      owed,
      tell: (run) => void ended.push(run),
    },
    // Closed again and again, to wait for what is being done.
    replica.limits ?? { tellAgain: [10, 10], close: 600_000 },
  );
  return {
    ...work,
    ended,
    async workOff() {
      for (let before = -1; ended.length > before;) {
        before = ended.length;
        await work.round(new AbortController().signal);
        await work.close();
      }
    },
  };
}

/** One that sends mail. */
export const mailing = (mailer: Mailer | string): DueKind<never> =>
  sendMail(typeof mailer === 'string' ? openSmtp(mailer, 'orgate@deployment.example') : mailer, seal) as DueKind<never>;

/** Sends what waits in the outbox of one organization; that of others is theirs. */
export async function sendMailOf(server: TestServer, orgId: OrgId, smtpUrl: string): Promise<void> {
  const replica = openReplica(server, { kinds: [mailing(smtpUrl)] });
  const where = { kind: 'mail', takenAt: null } as const;
  const rows = await server.database.organizationDb(orgId, byTest).dueWork.list({ where, orderBy: {}, take: 100 });
  for (const { id } of rows) replica.dispatch({ orgId, id });
  await replica.close();
}
