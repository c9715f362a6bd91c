import pg from 'pg';
import { asError } from '../thrown.js';

/** An @ that stands where nobody's name or password can end: one of them holds a character that ended it too early. */
const TORN = /^[^:]+:\/\/[^/?#]*[/?#][^=]*@/;

/** Whether the driver reads the URL as it was meant, as far as can be told. */
export function isDatabaseUrl(url: string): boolean {
  if (TORN.test(url)) return false;
  try {
    void new pg.Client({ connectionString: url });
    return true;
  } catch (error) {
    // Anything else, such as a certificate's file that is not there, is told when it is connected to.
    return !['TypeError', 'URIError'].includes(asError(error).name);
  }
}
