/** A mail as it is written, to one address: plain text, and the same as a page. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** Mail that waits since before there was one has none. */
  readonly html?: string;
}

/** Hands mail to whoever delivers it. */
export interface Mailer {
  /**
   * @param id stays the same when a mail is tried again, so that whoever receives it twice can tell
   * @param signal gives up: the connection of this mail is closed
   * @throws MailRefusedError when trying again is in vain; anything else when it is not
   */
  send(mail: Mail, id: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The mail was refused for good. The message is for the people of the organization that sent it. */
export class MailRefusedError extends Error {
  override readonly name = 'MailRefusedError';
}

/** Where a deployment has no mail server. */
export const noMailer: Mailer = {
  send: () => Promise.reject(new MailRefusedError('This deployment sends no mail: SMTP_URL is not set.')),
  close: () => undefined,
};
