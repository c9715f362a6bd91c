import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { asError, codeOf } from '../thrown.js';

/** There is a file, and it cannot be read. */
export class EnvironmentFileError extends Error {
  override readonly name = 'EnvironmentFileError';
}

/**
 * The environment, and from the file `.env` where the program was started what the environment does not set, empty or not.
 * Whether this is production is never a file's to say. The process's own environment stays as it is: what libraries read
 * there, a file does not change.
 *
 * @param tell of what a file says in vain
 * @throws EnvironmentFileError
 */
export function readEnvironment(
  environment: NodeJS.ProcessEnv = process.env,
  file = '.env',
  tell: (line: string) => void = (line) => void process.stderr.write(`${line}\n`),
): NodeJS.ProcessEnv {
  const { NODE_ENV, ...kept } = parseEnv(readIfThere(file));
  if (NODE_ENV && NODE_ENV !== (environment['NODE_ENV'] || 'development')) {
    tell(`${file} says NODE_ENV=${NODE_ENV}, and is not heard: set it in the environment itself.`);
  }
  return { ...kept, ...environment };
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw new EnvironmentFileError(`${file} cannot be read: ${asError(error).message}`);
  }
}
