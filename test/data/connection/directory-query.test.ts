import { expect, test } from '@jest/globals';
import { createDirectoryQuery } from '../../../src/data/connection/directory-query.js';
import { useServer } from '../../support/server.js';

const server = useServer();

test('a statement outside organizations that lacks its grant says what to write', async () => {
  const query = createDirectoryQuery(server.database.pool);
  await expect(query('select git_url from repository')).rejects.toThrow(
    'permission denied for table repository: a migration grants orgate_directory the columns that it names',
  );
});
