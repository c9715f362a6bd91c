import { defineConfig } from 'vite';

// CORS_ORIGINS of the gateway names this origin. `localhost` and not 127.0.0.1: it shares the site with the gateway.
export default defineConfig({ server: { host: 'localhost', port: 5173, strictPort: true } });
