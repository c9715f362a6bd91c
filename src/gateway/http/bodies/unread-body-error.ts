/** A body that is not read for what it is made of. Its message says so to whoever sent it, and repeats nothing of it. */
export class UnreadBodyError extends Error {
  override readonly name = 'UnreadBodyError';

  constructor(
    readonly statusCode: 400 | 413,
    message: string,
  ) {
    super(message);
  }
}
