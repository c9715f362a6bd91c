import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotAdmittedError, type NotAdmitted } from '../../domains/identity-provider/provision-from-provider.js';
import { asError, codeOf } from '../../thrown.js';
import { html } from '../../html.js';
import { idsOf } from '../http/request-record.js';
import { sendPage } from '../pages/page.js';
import { requestNote } from '../pages/problem-page.js';

export type Reason =
  NotAdmitted | 'RETURN_TO' | 'NOT_THERE' | 'HOST_ELSEWHERE' | 'NOT_UNDER_WAY' | 'REFUSED' | 'UNREACHABLE';

const ANSWERS: Readonly<Record<Reason, readonly [status: number, text: string]>> = {
  UNKNOWN: [404, 'There is nothing to sign in with here.'],
  RETURN_TO: [400, 'The link that brought you here leads on to an address that this gateway does not know.'],
  NOT_THERE: [
    404,
    'You belong to no organization at this address: sign in as somebody who does, or ask those who sent you.',
  ],
  HOST_ELSEWHERE: [
    409,
    'This address does not lead here at the moment, so nobody is signed in there. Those who look after its DNS can mend that.',
  ],
  NOT_UNDER_WAY: [
    400,
    'This sign-in is no longer under way: it took too long, was finished before, or began in another browser.',
  ],
  REFUSED: [403, 'Your identity provider did not sign you in, or what it said could not be verified.'],
  UNREACHABLE: [502, 'Your identity provider cannot be reached, or is not set up as it should be.'],
  EMAIL_UNVERIFIED: [403, 'Your identity provider does not say that your e-mail address was verified.'],
  EMAIL_DOMAIN: [403, 'Your identity provider may not speak for the domain of your e-mail address.'],
  NO_MEMBERSHIP: [403, 'You cannot join the organization: ask those who run it.'],
  DISABLED: [403, 'Your account is disabled.'],
};

/** Someone is not signed in. `cause` goes to the log only, without anything of what was sent. */
export class SignInFailure extends Error {
  override readonly name = 'SignInFailure';

  constructor(
    readonly reason: Reason,
    options?: ErrorOptions,
  ) {
    super(`sign-in failed: ${reason}`, options);
  }
}

/** Why someone is not signed in; null where nobody foresaw it. */
export const reasonOf = (error: unknown): Reason | null =>
  error instanceof SignInFailure || error instanceof NotAdmittedError ? error.reason : null;

/** Says why someone is not signed in, as far as they may know, and leaves the rest to the log. */
export function sendFailure(
  request: FastifyRequest,
  reply: FastifyReply,
  provider: string | null,
  error: unknown,
): FastifyReply {
  const reason = reasonOf(error);
  if (reason === null) throw error;
  const [status, text] = ANSWERS[reason];
  request.log.info({ ...idsOf(request), provider, reason, ...detailOf(asError(error).cause) }, 'sign-in failed');
  return sendPage(
    reply,
    status,
    'Not signed in',
    html`<h1>Not signed in</h1>
      <p class="lead">${text}</p>
      <div class="actions"><a class="button second" href="/auth?switch=1">Back to sign-in</a></div>`,
    { footer: requestNote(request) },
  );
}

/** Libraries put claims, codes and whole answers on their errors; of those only what names the fault is logged. */
function detailOf(cause: unknown): { fault?: string; code?: unknown; error?: unknown } {
  if (!(cause instanceof Error)) return {};
  const code = codeOf(cause);
  const error = 'error' in cause ? cause.error : undefined;
  return {
    fault: cause.message.slice(0, 200),
    ...(code !== '' && { code }),
    ...(typeof error === 'string' && { error: error.slice(0, 100) }),
  };
}
