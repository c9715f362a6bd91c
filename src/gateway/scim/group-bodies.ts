import { Ids } from '../../data/organization/ids.js';
import { Thread } from '../../jobs/thread.js';
import { UnreadBodyError } from '../http/bodies/unread-body-error.js';
import type { Answer, Asked } from './group-body-thread.js';
import { type GroupBody, readGroupBody } from './group-change.js';
import { ScimError } from './protocol.js';

/** What is read here takes a few milliseconds at most; whatever is larger is read in a thread of its own. */
const READ_HERE_BYTES = 128 * 1024;

const MODULE = new URL('group-body-thread.js', import.meta.url);

/** Reads the bodies of requests about groups. */
export class GroupBodies {
  readonly #thread: Thread<Asked, Answer>;

  /** @param died told when the thread ended though nobody ended it */
  constructor(died: (error: Error) => void) {
    this.#thread = new Thread(MODULE, died);
  }

  /** @throws UnreadBodyError; SyntaxError; SERVICE_UNAVAILABLE */
  read(bytes: Buffer, method: string): GroupBody | Promise<GroupBody> {
    return bytes.length <= READ_HERE_BYTES ? readGroupBody(bytes, method) : this.#readThere(bytes, method);
  }

  end(): void {
    this.#thread.end();
  }

  async #readThere(bytes: Buffer, method: string): Promise<GroupBody> {
    // Node's buffer of so many bytes is no part of a larger one.
    const answer = await this.#thread.ask({ bytes, method }, [bytes.buffer as ArrayBuffer]);
    if ('unread' in answer) throw new UnreadBodyError(...answer.unread);
    if ('noJson' in answer) throw new SyntaxError(answer.noJson);
    return () => {
      if ('refused' in answer) throw new ScimError(...answer.refused);
      const { add, remove, ...rest } = answer.change;
      return { ...rest, add: Ids.unpack(add), remove: Ids.unpack(remove) };
    };
  }
}
