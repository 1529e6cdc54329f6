// Serves the pages of both clients. /prometheus is forwarded to the service, so that it has the same
// origin as the pages.
import { defineConfig } from 'vite';

const proxy = { '/prometheus': process.env.SERVICE ?? 'http://127.0.0.1:8080' };

export default defineConfig({
  define: { global: 'globalThis' }, // dependencies of Perses expect it
  esbuild: { jsx: 'automatic' },
  resolve: { dedupe: ['react', 'react-dom', '@emotion/react', 'echarts', '@perses-dev/core', '@perses-dev/components', '@perses-dev/plugin-system'] },
  // The two need different versions of react-router; neither page has routes.
  build: {
    rollupOptions: { input: ['perses.html', 'grafana.html'], shimMissingExports: true },
    minify: false,
    sourcemap: false,
    chunkSizeWarningLimit: 100_000,
  },
  preview: { proxy },
  logLevel: 'error',
});
