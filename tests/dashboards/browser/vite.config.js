// Pages of both clients; /prometheus goes to the service, so that the pages ask it as their own origin.
import { defineConfig } from 'vite';

const proxy = { '/prometheus': process.env.SERVICE ?? 'http://127.0.0.1:8080' };

export default defineConfig({
  define: { global: 'globalThis' }, // Perses' dependencies expect it
  esbuild: { jsx: 'automatic' },
  resolve: { dedupe: ['react', 'react-dom', '@emotion/react', 'echarts', '@perses-dev/core', '@perses-dev/components', '@perses-dev/plugin-system'] },
  // The two want different versions of react-router; neither page has routes.
  build: {
    rollupOptions: { input: ['perses.html', 'grafana.html'], shimMissingExports: true },
    minify: false,
    sourcemap: false,
    chunkSizeWarningLimit: 100_000,
  },
  preview: { proxy },
  logLevel: 'error',
});
