/** Whoever asked has gone away: what was on its way, or waited for its turn, is given up. Nobody hears of it, nor needs to. */
export class ClientLeftError extends Error {
  override readonly name = 'ClientLeftError';

  constructor() {
    super('nobody waits for this statement any more');
  }
}
