/** Says the statements of a recorded request again and asks PostgreSQL how long each took, without anything around it. */
export class Replay {
  #prepared = new Map();
  #owner;

  constructor(owner) {
    this.#owner = owner;
  }

  /**
   * @param {import('../measure/wire.mjs').Statement[][]} batches
   * @returns {Promise<number>} milliseconds in the database, of all statements together: the least of some rounds
   */
  async time(batches, rounds = 5) {
    const times = [];
    for (let round = 0; round < rounds; round += 1) {
      let total = 0;
      for (const batch of batches) total += await this.#once(batch);
      times.push(total);
      // What is quick need not be looked at five times.
      if (round > 0 && Math.min(...times) < QUICK_MS) break;
    }
    return Math.min(...times);
  }

  /** A batch sets its role and organization and says one statement, as an implicit transaction. */
  async #once(batch) {
    let total = 0;
    await this.#owner.query('begin');
    for (const { text, values, isPrepared } of batch) {
      if (/^\s*(begin|commit|rollback)/i.test(text)) continue;
      if (/set_config\(/.test(text)) {
        await this.#owner.query(text, values);
        continue;
      }
      const name = isPrepared ? await this.#prepare(text) : 'replayed_once';
      if (!isPrepared) await this.#owner.query(`prepare ${name} as ${text}`);
      const list = values.map((value) => (value === null ? 'null' : literal(value))).join(', ');
      const { rows } = await this.#owner.query(
        `explain (analyze, timing off, summary, format json) execute ${name}${list && `(${list})`}`,
      );
      total += rows[0]['QUERY PLAN'][0]['Execution Time'];
      if (!isPrepared) {
        total += rows[0]['QUERY PLAN'][0]['Planning Time'] ?? 0;
        await this.#owner.query(`deallocate ${name}`);
      }
    }
    await this.#owner.query('commit');
    return total;
  }

  /** A statement of each text, as the gateway prepares them, so that plans are chosen and kept as they are for it; what it does not prepare is planned here each time as well, and that counts. */
  async #prepare(text) {
    let name = this.#prepared.get(text);
    if (!name) {
      name = `replayed_${this.#prepared.size}`;
      await this.#owner.query(`prepare ${name} as ${text}`);
      this.#prepared.set(text, name);
    }
    return name;
  }
}

/** Far from any bound, in milliseconds. */
const QUICK_MS = 3;

function literal(value) {
  return `'${value.replaceAll("'", "''")}'`;
}
