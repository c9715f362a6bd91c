import type { Deployment } from '../../context/deployment.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { WebhookDisabledBecause } from '../../generated/enums.js';
import type { DueRun } from '../../jobs/due-kind.js';
import type { Letter } from '../../mail/letter.js';
import { notify } from '../notification/index.js';

type Webhook = Row<'Webhook'>;

/**
 * Lets go of what a webhook is not told yet.
 *
 * @returns from when on it is told nothing: a replay from there brings all of it
 */
export async function letGo(db: OrganizationDb, { id, handledTo }: Webhook): Promise<Date> {
  const where = { webhookId: id, sequence: { gt: 0n } };
  const [first] = await db.webhookDelivery.list({ where, orderBy: { sequence: 'asc' }, take: 1 });
  await db.webhookDelivery.delete({ webhookId: id });
  const next = await db.auditSeal.find({ sequence: handledTo + 1n });
  return first?.happenedAt ?? next?.sealedAt ?? db.now();
}

/** Tells a webhook nothing more, and its OWNERs that it is so; once, however many tries find that out together. */
export async function disable(
  { db, orgId }: Pick<DueRun<object>, 'db' | 'orgId'>,
  { use }: Deployment,
  { id, url }: Webhook,
  because: WebhookDisabledBecause,
): Promise<void> {
  await db.locked(async (inside) => {
    // Whoever gave it another address meanwhile meant that.
    const webhook = await inside.webhook.find({ id, url, status: 'ACTIVE' });
    if (!webhook) return;
    const untoldSince = await letGo(inside, webhook);
    const disabled = await inside.webhook.update({ id }, { status: 'DISABLED', disabledBecause: because, untoldSince });
    const letter = notice(disabled, inside);
    // Once a day, however often somebody switches it on again.
    const occasion = `webhook-disabled/${id}/${inside.now().toISOString().slice(0, 10)}`;
    await notify(inside, orgId, { owners: true }, { kind: 'ALERT', targetId: id, occasion, letter }, use);
  });
}

function notice({ id, url, disabledBecause, untoldSince }: Webhook, { held: { name } }: LockedDb): Letter {
  const { host } = new URL(url);
  const why =
    disabledBecause === 'GONE'
      ? 'The other side answered that it wants nothing more (410).'
      : 'An event was not taken by the last try, some three days after the first.';
  const replay = `replayWebhook(id: "${id}", from: "${untoldSince?.toISOString() ?? ''}") { id }`;
  return {
    subject: `A webhook of ${name} is disabled`,
    parts: [
      `The webhook at ${host} is told nothing more. ${why} What happens goes on in the record of ${name}.`,
      'Once the other side takes it again, an ADMIN switches it on, and has it told what it missed:',
      {
        code: `mutation { updateWebhook(input: { id: "${id}", status: ACTIVE }) { status } ${replay} }`,
      },
    ],
  };
}
