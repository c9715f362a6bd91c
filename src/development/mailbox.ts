import type { Mail, Mailer } from '../mail/mail.js';

/** A mail that was delivered to the mailbox. */
export interface DeliveredMail extends Mail {
  readonly id: string;
  readonly at: Date;
}

const KEPT = 200;

/** Where all mail of a development server lands, whomever it is for; in memory. */
export interface Mailbox extends Mailer {
  /** The newest first. */
  list(): readonly DeliveredMail[];
}

export function createMailbox(): Mailbox {
  const mails: DeliveredMail[] = [];
  return {
    async send(mail, id) {
      mails.unshift({ ...mail, id, at: new Date() });
      mails.splice(KEPT);
    },
    list: () => mails,
    close: () => undefined,
  };
}
