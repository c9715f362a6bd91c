import { getPriority } from 'node:os';
import { answerInThread } from '../../src/jobs/thread.js';

export type Told = 'its own number' | 'its priority' | 'throw' | 'leave' | 'go on' | 'take all memory';

let answered = 0;

/** A thread that does as it is told. */
answerInThread<{ told: Told; bytes?: Uint8Array }, number>(({ told, bytes }) => {
  if (told === 'throw') throw new Error('as it was told');
  if (told === 'leave') process.exit(3);
  const kept: number[][] = [];
  while (told === 'go on' || told === 'take all memory') {
    if (told === 'take all memory') kept.push(Array.from({ length: 100_000 }, (_, each) => each));
  }
  if (told === 'its priority') return getPriority();
  answered += 1;
  return bytes?.length ?? answered;
});
