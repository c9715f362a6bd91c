import type { RequestContext } from '../../context/context.js';
import { bySystem } from '../../data/connection/act.js';
import type { Row } from '../../data/organization/table.js';
import { FIND_TXT } from '../../egress/find-txt.js';
import type { FindTxt } from '../../egress/find-txt.js';
import { lookAtHost } from '../../context/look-at-host.js';
import { OrgateError } from '../../errors.js';
import type { DomainProblem } from '../../generated/graphql.js';
import type { OwedKind } from '../../jobs/due-kind.js';
import { openOwedWork } from '../../jobs/outside.js';
import { asActor } from '../../rights/actor.js';
import { openHeldDomains, subjectOf } from './outside.js';
import { tellOfMissedDomain } from './tell-of-missed-domain.js';

type DomainRow = Row<'OrganizationDomain'>;

const DAY_MS = 86_400_000;
const MISSES_TO_LAPSE = 3;
const SHOWN_RECORDS = 20;
const SHOWN_LENGTH = 255;

/** The TXT record that proves a domain. */
export const challengeOf = ({ name, challenge }: { name: string; challenge: string }) => ({
  name: `_orgate-challenge.${name}`,
  value: challenge,
});

/** What a look at the DNS found, as the domain's row keeps it. */
interface Look {
  readonly checkedAt: Date;
  readonly checkFound: string[];
  readonly checkProblem: DomainProblem | null;
}

async function lookForChallenge(domain: DomainRow, findTxt: FindTxt, checkedAt: Date): Promise<Look> {
  const { name, value } = challengeOf(domain);
  const { found, problem } = await findTxt(name);
  const isThere = found.some((record) => record.trim() === value);
  return {
    checkedAt,
    checkFound: found.slice(0, SHOWN_RECORDS).map(shown),
    checkProblem: problem ?? (isThere ? null : 'OTHER_VALUE'),
  };
}

/** What strangers publish is shown, so it is made fit to be stored and printed. */
const shown = (record: string): string =>
  record
    .replaceAll(/\p{Cc}/gu, '\uFFFD')
    .toWellFormed()
    .slice(0, SHOWN_LENGTH)
    .toWellFormed();

/**
 * Looks for the challenge of a domain of the current organization, and takes the domain if it was there. The DNS is asked
 * before anything is locked.
 *
 * @returns the domain with what was found, also when that was not enough
 * @throws NOT_FOUND; FORBIDDEN when the actor lost the permission
 */
export async function verifyDomain(id: string, context: RequestContext): Promise<DomainRow> {
  const { db } = context;
  const domain = await db.organizationDomain.get({ id });
  const [look, { found: servingFound }] = await Promise.all([
    lookForChallenge(domain, context.use(FIND_TXT), db.now()),
    lookAtHost(domain.name, context.use),
  ]);
  let isTaken = false;
  const record = (seen: Look) =>
    asActor(context, 'domain:manage', async (inside) => {
      const { status, name } = await inside.organizationDomain.get({ id });
      if (seen.checkProblem !== null) return inside.organizationDomain.update({ id }, { ...seen, servingFound });
      const held = { ...seen, servingFound, misses: 0 };
      const { orgId } = context.organization;
      await context.outside(openOwedWork).owe(CHECK_DOMAIN, subjectOf(orgId, id), dayAfter(seen));
      if (status === 'VERIFIED') return inside.organizationDomain.update({ id }, held);
      await inside.address.create({ name, kind: 'DOMAIN' }).catch((error: unknown) => {
        isTaken = error instanceof OrgateError && error.code === 'CONFLICT';
        throw error;
      });
      const taken = { status: 'VERIFIED', heldName: name, verifiedAt: seen.checkedAt } as const;
      return inside.organizationDomain.update({ id }, { ...held, ...taken });
    });
  return record(look).catch((error: unknown) => {
    // An address has one holder. That there is another is told only to whoever writes the domain's DNS.
    if (!isTaken) throw error;
    return record({ ...look, checkProblem: 'HELD_BY_ANOTHER' });
  });
}

/**
 * Checks a domain again, every day for as long as it is held: by a suspended organization, too, since others wait for it.
 */
export const CHECK_DOMAIN: OwedKind = {
  name: 'domain-check',
  atOnce: 10,
  async run({ subject, settle }, { outside, organizationDb, use }) {
    const held = await outside(openHeldDomains)(subject);
    if (!held) return;
    const { orgId, id } = held;
    const db = organizationDb(orgId, bySystem('domain-check'));
    const domain = await db.organizationDomain.find({ id });
    if (!domain) return;
    const look = await lookForChallenge(domain, use(FIND_TXT), db.now());
    await db.locked(async (inside) => {
      const before = await inside.organizationDomain.find({ id });
      if (before?.status !== 'VERIFIED') return;
      const misses = countMisses(before, look);
      const isLapsed = misses >= MISSES_TO_LAPSE;
      if (!(await settle(isLapsed ? null : dayAfter(look)))) return;
      const lapsed = { status: 'LAPSED', heldName: null, serving: false } as const;
      const after = await inside.organizationDomain.update({ id }, { ...look, misses, ...(isLapsed && lapsed) });
      if (isLapsed) await inside.address.delete({ name: before.name });
      const isNews = misses > before.misses && (misses === 1 || isLapsed);
      if (isNews) await tellOfMissedDomain(inside, orgId, after, challengeOf(after), use);
    });
  },
};

/** A name server that does not answer says nothing about the record: an outage must not take anyone's domain. */
const countMisses = ({ misses }: DomainRow, { checkProblem }: Look): number => {
  if (checkProblem === null) return 0;
  return checkProblem === 'TIMEOUT' || checkProblem === 'SERVER_FAILURE' ? misses : misses + 1;
};

const dayAfter = ({ checkedAt }: Look): Date => new Date(checkedAt.getTime() + DAY_MS);
