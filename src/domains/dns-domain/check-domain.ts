import type { RequestContext } from '../../context/context.js';
import { bySystem } from '../../data/connection/act.js';
import type { Outside } from '../../data/connection/outside.js';
import type { OpenOrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { FIND_TXT } from '../../egress/find-txt.js';
import type { FindTxt } from '../../egress/find-txt.js';
import { OrgateError } from '../../errors.js';
import type { DomainProblem } from '../../generated/graphql.js';
import type { Outbox } from '../../mail/outbox.js';
import { readActor } from '../../rights/actor.js';
import { type DueDomain, openDueDomains } from './outside.js';
import { notifyOfMissedDomain } from './notify-of-missed-domain.js';

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

async function lookForChallenge(domain: DomainRow, findTxt: FindTxt): Promise<Look> {
  const { name, value } = challengeOf(domain);
  const { found, problem } = await findTxt(name);
  const isThere = found.some((record) => record.trim() === value);
  return {
    checkedAt: new Date(),
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
  const look = await lookForChallenge(await db.organizationDomain.get({ id }), context.use(FIND_TXT));
  let isTaken = false;
  const record = (seen: Look) =>
    db.locked(async (inside) => {
      await readActor(inside, context, 'domain:manage');
      const { status, name } = await inside.organizationDomain.get({ id });
      if (seen.checkProblem !== null) return inside.organizationDomain.update({ id }, { ...seen });
      const held = { ...seen, misses: 0, nextCheckAt: dayAfter(seen) };
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

export interface Recheck {
  readonly outside: Outside;
  readonly organizationDb: OpenOrganizationDb;
  readonly findTxt: FindTxt;
  readonly outbox: Pick<Outbox, 'queue' | 'dispatch'>;
}

const AT_ONCE = 10;

/**
 * Checks again every held domain whose last check is a day old.
 *
 * @throws AggregateError with what failed, after all others were checked
 */
export async function recheckDomains(parts: Recheck, signal: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  while (!signal.aborted) {
    const due = await parts.outside(openDueDomains)(AT_ONCE);
    if (due.length === 0) break;
    const outcomes = await Promise.allSettled(due.map((domain) => recheckDomain(domain, parts)));
    for (const each of outcomes) if (each.status === 'rejected') failures.push(each.reason);
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} domains could not be checked`);
}

async function recheckDomain({ orgId, id }: DueDomain, { organizationDb, findTxt, outbox }: Recheck): Promise<void> {
  const db = organizationDb(orgId, bySystem('recheck-domains'));
  const domain = await db.organizationDomain.find({ id });
  if (!domain) return;
  const look = await lookForChallenge(domain, findTxt);
  const mails = await db.locked(async (inside) => {
    const before = await inside.organizationDomain.find({ id });
    if (before?.status !== 'VERIFIED') return [];
    const misses = countMisses(before, look);
    const isLapsed = misses >= MISSES_TO_LAPSE;
    const lapsed = { status: 'LAPSED', heldName: null, nextCheckAt: null } as const;
    const seen = { ...look, misses, nextCheckAt: dayAfter(look), ...(isLapsed && lapsed) };
    const after = await inside.organizationDomain.update({ id }, seen);
    if (isLapsed) await inside.address.delete({ name: before.name });
    const isNews = misses > before.misses && (misses === 1 || isLapsed);
    return isNews ? notifyOfMissedDomain(inside, orgId, after, challengeOf(after), outbox) : [];
  });
  for (const mail of mails) outbox.dispatch(mail);
}

/** A name server that does not answer says nothing about the record: an outage must not take anyone's domain. */
const countMisses = ({ misses }: DomainRow, { checkProblem }: Look): number => {
  if (checkProblem === null) return 0;
  return checkProblem === 'TIMEOUT' || checkProblem === 'SERVER_FAILURE' ? misses : misses + 1;
};

const dayAfter = ({ checkedAt }: Look): Date => new Date(checkedAt.getTime() + DAY_MS);
