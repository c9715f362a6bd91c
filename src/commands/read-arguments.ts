import { parseArgs, type ParseArgsConfig } from 'node:util';
import { asError } from '../thrown.js';

type Parsed<T extends ParseArgsConfig> = ReturnType<typeof parseArgs<T>>;

/**
 * What a program was started with. `--help` ends it with its usage, and what is not known with one line and the code 2,
 * before it did anything.
 */
export function readArguments<T extends ParseArgsConfig>(usage: string, config: T): Parsed<T> {
  if (process.argv.slice(2).includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuseArguments(asError(error).message.split('. ')[0] ?? '');
  }
}

export function refuseArguments(problem: string): never {
  console.error(`${problem.replace(/\.$/, '')}. --help shows what is known.`);
  process.exit(2);
}
