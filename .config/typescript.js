import module from 'node:module';
import * as hooks from './typescript-hooks.js';

/** Lets this process load TypeScript as it stands, without a build: for the tests, and for `npm run dev`. */
// Newer Nodes run hooks where modules are loaded; asking another thread for each module takes longer.
if ('registerHooks' in module) module.registerHooks(hooks);
else module.register('./typescript-hooks.js', import.meta.url);
process.setSourceMapsEnabled(true);
