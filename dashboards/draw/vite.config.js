import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  // Grafana's icons, which its Icon component fetches (see index.html).
  publicDir: 'node_modules/@grafana/ui/dist/public',
  esbuild: { jsx: 'automatic' },
  // One page for one screenshot: nobody waits for a smaller bundle.
  build: { minify: false, modulePreload: false, chunkSizeWarningLimit: 20000, target: 'esnext' },
});
