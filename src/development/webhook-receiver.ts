import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What came to the receiver, and what it is worth. */
export interface ReceivedWebhook {
  readonly at: Date;
  readonly id: string;
  readonly type: string;
  /** Its place in the record; null of what has none, such as a test. */
  readonly sequence: number | null;
  readonly body: string;
  /** Why it would not be believed; null where it is whole, new, and signed under a secret that is known here. */
  readonly problem: string | null;
  /** How the secret ends that it is signed under; null where it is under none that is known. */
  readonly secretEnd: string | null;
  /** Whether the same event was believed before: whoever receives it does nothing the second time. */
  readonly isRepeated: boolean;
}

/** The other side of webhooks on a development machine; in memory. */
export interface WebhookReceiver {
  receive(headers: IncomingHttpHeaders, body: string): void;
  /** Whatever came is looked at again: it may be signed under this one. */
  know(secret: string): void;
  /** The newest first. */
  list(): readonly ReceivedWebhook[];
}

/** The secret of the demo's webhook: it is known, and signs nothing but the demo's. */
export const DEMO_SECRET = `whsec_${Buffer.from('known to everybody, demo').toString('base64')}`;

const KEPT = 100;
const KEPT_SECRETS = 50;
/** How old what comes may be, in seconds. */
const TOLERANCE_S = 5 * 60;

interface Kept {
  readonly at: Date;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export function createWebhookReceiver(now: () => Date = () => new Date()): WebhookReceiver {
  const kept: Kept[] = [];
  const secrets = new Set([DEMO_SECRET]);
  return {
    receive(headers, body) {
      kept.unshift({ at: now(), headers, body });
      kept.splice(KEPT);
    },
    know(secret) {
      secrets.add(secret);
      const [oldest] = secrets.size > KEPT_SECRETS ? secrets : [];
      if (oldest !== undefined) secrets.delete(oldest);
    },
    list: () => {
      const judged = kept.map((each) => ({
        at: each.at,
        id: textOf(each.headers['webhook-id']),
        ...eventIn(each.body),
        body: each.body,
        ...judge(each, [...secrets]),
      }));
      return judged.map((each, index) => ({
        ...each,
        isRepeated: judged.slice(index + 1).some(({ id, problem }) => id === each.id && problem === null),
      }));
    },
  };
}

const textOf = (header: string | string[] | undefined): string => [header ?? ''].flat().join(' ');

function eventIn(body: string): Pick<ReceivedWebhook, 'type' | 'sequence'> {
  try {
    const { type, sequence } = JSON.parse(body) as { type?: unknown; sequence?: unknown };
    return { type: typeof type === 'string' ? type : '', sequence: typeof sequence === 'number' ? sequence : null };
  } catch {
    return { type: '', sequence: null };
  }
}

/** As the receivers of docs/webhooks.md do it. */
function judge(
  { at, headers, body }: Kept,
  secrets: readonly string[],
): Pick<ReceivedWebhook, 'problem' | 'secretEnd'> {
  const refused = (problem: string) => ({ problem, secretEnd: null });
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    textOf(headers[name]),
  );
  if (!id || !timestamp || !signatures) return refused('It has no signature.');
  if (!(Math.abs(at.getTime() / 1000 - Number(timestamp)) <= TOLERANCE_S)) return refused('It is too old.');
  const given = signatures.split(' ').filter((each) => each.startsWith('v1,'));
  const secret = secrets.find((each) => {
    const key = Buffer.from(each.replace(/^whsec_/, ''), 'base64');
    const wanted = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`);
    return given.some((one) => one.length === wanted.length && timingSafeEqual(Buffer.from(one), wanted));
  });
  if (secret === undefined)
    return refused('It is signed under no secret that is known here, or is not what was signed.');
  return { problem: null, secretEnd: secret.slice(-4) };
}
