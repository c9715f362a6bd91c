import { createRequire } from 'node:module';
import { PROJECT } from '../settings.mjs';

/** The gateway's own copy of node-postgres, which its Prisma adapter expects. */
const pg = createRequire(`${PROJECT}package.json`)('pg');

/** As in the gateway: prepared once for each connection and text. */
class NamingClient extends pg.Client {
  names = new Map();

  query(config, values, callback) {
    if (typeof config?.text !== 'string' || /^(BEGIN|COMMIT|ROLLBACK)/.test(config.text))
      return super.query(config, values, callback);
    let name = this.names.get(config.text);
    if (name === undefined && this.names.size < 400) this.names.set(config.text, (name = `s${this.names.size}`));
    return super.query({ ...config, name }, values, callback);
  }
}

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
      Client: NamingClient,
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
