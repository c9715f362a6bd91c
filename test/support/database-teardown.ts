/** Closes what database-setup opened. */
export default async function teardown(): Promise<void> {
  await (globalThis as { closeDatabase?: () => Promise<void> }).closeDatabase?.();
}
