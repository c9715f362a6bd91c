import { mkdir, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { EnvironmentFileError, readEnvironment } from '../../src/config/environment.js';
import { newDirectory, start } from '../support/process.js';

/** A directory with a `.env` in it. */
async function givenFile(text: string): Promise<{ directory: string; file: string }> {
  const directory = await newDirectory();
  const file = `${directory}/.env`;
  await writeFile(file, text);
  return { directory, file };
}

test('a file says what the environment does not, and overrides nothing that is set, be it to nothing', async () => {
  const { file } = await givenFile(
    'PORT=5000\nPUBLIC_URL="https://a.example" # a comment\nSMTP_URL=smtp://mail.example\n',
  );
  const set = { PORT: '6000', SMTP_URL: '' };
  expect(readEnvironment(set, file)).toEqual({ PORT: '6000', SMTP_URL: '', PUBLIC_URL: 'https://a.example' });
  expect(process.env['PUBLIC_URL']).toBeUndefined();
});

test('whether it is production is never a file’s to say, and one that tries is told so', async () => {
  const { file } = await givenFile('NODE_ENV=production\n');
  const told: string[] = [];
  expect(readEnvironment({}, file, (line) => told.push(line))).toEqual({});
  expect(told).toEqual([expect.stringContaining('NODE_ENV=production, and is not heard')]);
  expect(readEnvironment({ NODE_ENV: 'production' }, file, (line) => told.push(line))).toEqual({
    NODE_ENV: 'production',
  });
  expect(told).toHaveLength(1);
});

test('without a file there is the environment; a file that cannot be read is told, and its path', async () => {
  const directory = await newDirectory();
  expect(readEnvironment({ PORT: '1' }, `${directory}/.env`)).toEqual({ PORT: '1' });
  await mkdir(`${directory}/.env`);
  expect(() => readEnvironment({}, `${directory}/.env`)).toThrow(EnvironmentFileError);
});

test('a server hears the file that stands where it is started', async () => {
  const { directory } = await givenFile('NODE_ENV=production\nGRAPHIQL=neither\nDATABASE_POOL_SIZE=many\n');
  const server = await start({ DATA_DIR: directory, GRAPHIQL: 'false' }, { cwd: directory });
  expect(await server.end()).toBe(1);
  expect(server.output()).toContain('DATABASE_POOL_SIZE must be');
  expect(server.output()).not.toContain('GRAPHIQL must be');
  expect(server.output()).not.toContain('is needed in production');
  expect(server.output()).toContain('NODE_ENV=production, and is not heard');
});
