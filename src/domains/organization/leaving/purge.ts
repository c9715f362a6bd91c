/** Deletes an organization whose grace is over. */
export const PURGE = { name: 'purge' };
