import { CATALOGUE } from '../../context/deployment.js';
import type { OrgId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { Letter } from '../../mail/letter.js';
import type { Use } from '../../parts.js';
import { effective } from '../../rights/escalation.js';
import { notify } from '../notification/index.js';

/** Of one request so many are told, the OWNERs first. */
const MOST_TOLD = 50;
/** Whoever holds a domain can have as many ask as they like: of the others the list tells. */
const MOST_MAILED = 10;
/** Where so many wait already, whoever answers has heard of them. */
const MOST_WAITING = 100;

/** Tells the OWNERs and ADMINs who may answer it that somebody asks to join, in the transaction in which they do. */
export async function tellOfRequest(db: LockedDb, orgId: OrgId, request: Row<'JoinRequest'>, use: Use): Promise<void> {
  const waiting = await db.joinRequest.count({ status: 'PENDING' });
  if (waiting > MOST_WAITING) return;
  const userIds = (await answerersIn(db, use)).slice(0, MOST_TOLD);
  const letter = notice(request, db.held.name);
  const isMailed = waiting <= MOST_MAILED;
  const news = { kind: 'INVITATION', targetId: request.id, text: letter.subject, ...(isMailed && { letter }) } as const;
  await notify(db, orgId, { userIds }, news, use);
}

async function answerersIn(db: LockedDb, use: Use): Promise<string[]> {
  const found: Row<'Membership'>[] = [];
  for (const role of ['OWNER', 'ADMIN'] as const) {
    const where = { role, status: 'ACTIVE', kind: 'PERSON' } as const;
    found.push(...(await db.membership.list({ where, orderBy: { userId: 'asc' }, take: MOST_TOLD })));
  }
  return found.filter((member) => effective(use(CATALOGUE), member).has('member:invite')).map(({ userId }) => userId);
}

function notice({ id, name, email, domain }: Row<'JoinRequest'>, organization: string): Letter {
  return {
    subject: `${email} asks to join ${organization}`,
    parts: [
      `${name} (${email}) asks to join ${organization}, which holds the domain ${domain}. To let them in:`,
      { code: `mutation { approveJoinRequest(id: "${id}") { role } }` },
      'Or not:',
      { code: `mutation { declineJoinRequest(id: "${id}") { status } }` },
    ],
  };
}
