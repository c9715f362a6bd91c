import { setPriority } from 'node:os';
import { parentPort, Worker } from 'node:worker_threads';
import { busy } from '../errors.js';

/** How long a thread may take for what it was asked, and how long it waits to be asked again. */
const TIMES = { answerMs: 10_000, idleMs: 30_000 };
const LIMITS = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 32 };

interface Waiting<Answer> {
  answer(answer: Answer): void;
  fail(error: Error): void;
}

interface Running<Answer> {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting<Answer>>;
}

/** Work that would hold everybody else's, in one thread of its own, one piece after the other. It begins when it is needed. */
export class Thread<Asked, Answer> {
  #running: Running<Answer> | null = null;
  #asked = 0;
  #idle: NodeJS.Timeout | undefined;

  /**
   * @param module what runs there; see `answerInThread`
   * @param died told when it ended though nobody ended it
   */
  constructor(
    private readonly module: URL,
    private readonly died: (error: Error) => void,
    private readonly times = TIMES,
  ) {}

  /**
   * @param transferred goes there, and is empty here from then on
   * @throws SERVICE_UNAVAILABLE when it took too long, or ended
   */
  async ask(asked: Asked, transferred: readonly ArrayBuffer[]): Promise<Answer> {
    clearTimeout(this.#idle);
    const { worker, waiting } = (this.#running ??= this.#start());
    const number = (this.#asked += 1);
    const answer = new Promise<Answer>((resolve, reject) => waiting.set(number, { answer: resolve, fail: reject }));
    const late = setTimeout(() => void worker.terminate(), this.times.answerMs);
    try {
      worker.postMessage({ number, asked }, transferred);
      return await answer;
    } finally {
      clearTimeout(late);
      waiting.delete(number);
      if (waiting.size === 0) this.#idle = setTimeout(() => this.end(), this.times.idleMs).unref();
    }
  }

  end(): void {
    clearTimeout(this.#idle);
    void this.#running?.worker.terminate();
    this.#running = null;
  }

  #start(): Running<Answer> {
    const worker = isBuilt ? new Worker(this.module, LIMITED) : new Worker(asTypeScript(this.module), UNBUILT);
    const running: Running<Answer> = { worker, waiting: new Map() };
    let cause: Error | undefined;
    worker.on('message', ({ number, answer }: Answered<Answer>) => running.waiting.get(number)?.answer(answer));
    worker.on('error', (error) => (cause = error));
    worker.on('messageerror', () => void worker.terminate());
    worker.on('exit', () => {
      if (this.#running === running) this.#running = null;
      if (running.waiting.size > 0) this.died(cause ?? new Error('it was ended in the middle of its work'));
      for (const { fail } of running.waiting.values()) fail(busy({ cause }));
    });
    worker.unref();
    return running;
  }
}

const LIMITED = { resourceLimits: LIMITS };

/** Tests and `npm run dev` load TypeScript as it stands; a thread has to be told so. */
const isBuilt = import.meta.url.endsWith('.js');
const UNBUILT = { ...LIMITED, execArgv: ['--import', new URL('../../.config/typescript.js', import.meta.url).href] };
const asTypeScript = ({ href }: URL): URL => new URL(href.replace(/js$/, 'ts'));

interface Answered<Answer> {
  readonly number: number;
  readonly answer: Answer;
}

/** Where the cores are all busy it has a third of what the thread has on which everybody waits. */
const NICE = 5;

/** What a thread's module does: answers what it is asked. What this throws ends the thread. */
export function answerInThread<Asked, Answer>(answer: (asked: Asked) => Answer): void {
  if (process.platform === 'linux') setPriority(NICE); // elsewhere it is the whole process that would yield
  parentPort?.on('message', ({ number, asked }: { number: number; asked: Asked }) =>
    parentPort?.postMessage({ number, answer: answer(asked) } satisfies Answered<unknown>),
  );
}
