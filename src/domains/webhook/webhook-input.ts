import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { EGRESS } from '../../egress/egress.js';
import { badInput } from '../../errors.js';
import { WebhookStatus } from '../../generated/enums.js';
import { RECORD } from '../../resource/record.js';
import { EVERY_EVENT, eventsOf } from './event.js';

const url = z
  .string('Must not be null.')
  .trim()
  .max(1000, 'At most 1,000 characters.')
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
    message: 'Must be an https URL.',
    abort: true,
  })
  .refine((text) => !isTelling(new URL(text)), 'Must have no credentials and no fragment in it.')
  .transform((text) => new URL(text).href);

/** A reader would take it for another host, or it would never be sent. */
const isTelling = ({ username, password, hash }: URL): boolean => `${username}${password}${hash}` !== '';

const events = z
  .array(z.string(), 'Must not be null.')
  .min(1, 'At least one.')
  .max(500, 'At most 500.')
  .refine((names) => new Set(names).size === names.length, 'Must name each once.')
  .refine((names) => names.length === 1 || !names.includes(EVERY_EVENT), 'Names none beside `*`.');

export const createInput = z.object({ url, events });

export const updateInput = z.object({
  id: z.string(),
  url: url.optional(),
  events: events.optional(),
  status: z.enum(WebhookStatus, 'Must not be null.').optional(),
  expectedUpdatedAt: z.date().nullish(),
});

export const overlapInput = z
  .int()
  .min(0, 'Must be 0 to 168.')
  .max(168, 'Must be 0 to 168.')
  .nullish()
  .transform((hours) => hours ?? 24);

/**
 * Checks what only the deployment knows: which events there are, and where an address leads.
 *
 * @throws BAD_USER_INPUT at `input.events`, `input.url`
 */
export async function assertFits(
  input: { readonly url?: string | undefined; readonly events?: readonly string[] | undefined },
  { use, organization }: RequestContext,
): Promise<void> {
  const known = new Set([EVERY_EVENT, ...eventsOf(use(RECORD))]);
  const unknown = input.events?.findIndex((name) => !known.has(name)) ?? -1;
  if (unknown >= 0)
    throw badInput(`input.events.${unknown}`, 'There is no such event; `webhookEventTypes` tells them.');
  if (input.url === undefined) return;
  const [egress, at] = [use(EGRESS), new URL(input.url)];
  const whom = { purpose: 'webhook', orgId: organization.orgId } as const;
  if (await egress.leadsInside(at, whom)) {
    throw badInput('input.url', 'Must not lead into the network that this gateway stands in.');
  }
  if (at.protocol !== 'https:' && !egress.isNamed(at, whom)) throw badInput('input.url', 'Must be an https URL.');
}
