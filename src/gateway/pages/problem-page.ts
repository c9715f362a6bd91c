import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode, ErrorDetail } from '../../errors.js';
import { html } from '../../html.js';
import { errorBody } from '../http/error-body.js';
import { sendPage } from './page.js';

/** What is refused before anything else answers. */
export interface Problem {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: ErrorDetail | undefined;
}

/** Browsers ask for a page when somebody goes somewhere; no script and no other client does unless it is told to. */
export const wantsPage = ({ headers: { accept } }: FastifyRequest): boolean => accept?.includes('text/html') ?? false;

const HEADINGS: Partial<Record<ErrorCode, string>> = {
  NOT_FOUND: 'There is nothing here',
  RATE_LIMITED: 'One moment, please',
  INTERNAL_SERVER_ERROR: 'Something went wrong',
  SERVICE_UNAVAILABLE: 'One moment, please',
  TIMEOUT: 'This took too long',
};

/** A page for people, JSON in GraphQL's shape for machines. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, code, message, detail } = problem;
  if (!wantsPage(request)) return reply.code(status).send(errorBody(code, message, request.id, detail));
  const heading = HEADINGS[code] ?? 'This does not work';
  return sendPage(
    reply,
    status,
    heading,
    html`<h1>${heading}</h1>
      <p class="lead">${forPeople(problem)}</p>
      <div class="actions"><a class="button second" href="/">Go to the start page</a></div>`,
    { footer: requestNote(request) },
  );
}

function forPeople({ code, message, detail }: Problem): string {
  if (code === 'NOT_FOUND') return 'The address may be out of date, or a part of it is missing.';
  if (code === 'RATE_LIMITED') {
    const seconds = Number(detail?.retryAfter ?? 60);
    return `Too much was asked at once from where you are. Try again in ${seconds} second${seconds === 1 ? '' : 's'}.`;
  }
  if (code === 'INTERNAL_SERVER_ERROR')
    return 'It is not your fault. Try again; if it stays so, tell whoever runs this.';
  return message;
}

/** Whoever runs the deployment finds what happened by it. */
export const requestNote = ({ id }: FastifyRequest) => html`Request <code>${id}</code>`;
