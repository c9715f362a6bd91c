import { defineConfig } from 'prisma/config';

// `prisma generate` resolves a schema-engine binary that it never runs; naming any executable keeps the
// install offline. `prisma migrate` on a connected machine sets the variable itself or unsets this one.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({
  schema: '../prisma',
  migrations: { path: '../prisma/migrations' },
});
