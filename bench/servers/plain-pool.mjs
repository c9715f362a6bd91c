import { createRequire } from 'node:module';
import { PROJECT } from '../settings.mjs';

/** The gateway's own copy of node-postgres, which its Prisma adapter expects. */
const pg = createRequire(`${PROJECT}package.json`)('pg');

const { PreparedStatements, Statement } = await import(`${PROJECT}dist/data/connection/statement.js`);

/** The gateway's statements, as they are without a frame. */
class PlainClient extends pg.Client {
  query(config, values, callback) {
    if (typeof config?.text !== 'string' || /^(BEGIN|COMMIT|ROLLBACK)/.test(config.text))
      return super.query(config, values, callback);
    this.connection.statements ??= new PreparedStatements('s');
    const statement = new Statement(config);
    const result = new Promise((resolve, reject) => {
      statement.callback = (error, rows) => (error ? reject(error) : resolve(rows));
    });
    super.query(statement);
    return result;
  }
}

/** The record is no wall, and written here too: one and the same stands in it for whoever acts. */
const ACT = '{"kind":"SYSTEM","id":null,"name":"benchmark"}';

/** A pool as anyone would write it: no frame, no role, no organization. */
export class PlainPool extends pg.Pool {
  constructor({ url, poolSize, statementTimeoutMs, onStatement }) {
    super({
      connectionString: url,
      max: poolSize,
      idleTimeoutMillis: 30_000,
      connectionTimeoutMillis: 10_000,
      statement_timeout: statementTimeoutMs,
      application_name: 'orgate-without-walls',
      options: `-c app.act=${ACT}`,
      Client: PlainClient,
    });
    this.onStatement = onStatement;
    this.on('error', () => undefined);
  }

  async query(config) {
    this.onStatement(config.text);
    const client = await this.connect();
    try {
      const result = await client.query(config);
      client.release();
      return result;
    } catch (error) {
      client.release(!(error instanceof pg.DatabaseError));
      throw error;
    }
  }
}
