import { createTransport } from 'nodemailer';
import { type Mailer, MailRefusedError } from './mail.js';

/** How long a mail server may be silent. How long it may take in all, whoever sends says by a signal. */
const TIMEOUT_MS = 20_000;
/** How long a connection may take to close once it is given up. */
const CLOSE_MS = 2000;

interface SmtpError extends Error {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

/**
 * Sends over SMTP.
 *
 * @param url `smtps://user:password@host:465`, or `smtp://…:587`, which turns to TLS where the server offers it, and
 *   with `?requireTLS=true` sends nothing without
 * @param from an address, or `Name <address>`
 */
export function openSmtp(url: string, from: string): Mailer {
  const transport = createTransport(
    {
      url,
      connectionTimeout: TIMEOUT_MS,
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
      socketCloseTimeout: CLOSE_MS,
      // What is in a mail was typed by people; none of it names a file or an address to fetch.
      disableFileAccess: true,
      disableUrlAccess: true,
    },
    { from, headers: { 'Auto-Submitted': 'auto-generated' } },
  );
  const domain = /@([^\s<>@]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
  return {
    async send(mail, id, signal) {
      try {
        await transport.sendMail({ ...mail, messageId: `<${id}@${domain}>`, signal });
      } catch (error) {
        const { code, responseCode = 0, response = '' } = error as SmtpError;
        // The server would not have this address or this mail. What is wrong with the server itself may be mended.
        const isRefused = responseCode >= 500 && (code === 'EENVELOPE' || code === 'EMESSAGE');
        if (!isRefused) throw error;
        throw new MailRefusedError(`The mail server refused it: ${response.slice(0, 200)}`, { cause: error });
      }
    },
    close: () => transport.close(),
  };
}
