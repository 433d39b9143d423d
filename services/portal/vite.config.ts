import { defineConfig } from "vite";

// The API serves dist/ under /portal/; in development Vite hands everything else to a running `cartulary serve`.
const api = { target: "http://127.0.0.1:8600", changeOrigin: false };

export default defineConfig({
  base: "/portal/",
  worker: { format: "es" },
  build: {
    target: "es2022",
    sourcemap: false,
    // MapLibre alone is larger than Vite's default limit of 500 kB.
    chunkSizeWarningLimit: 1500,
    // Nothing inlined as data: URLs, so that the page needs no exception in its Content-Security-Policy.
    assetsInlineLimit: 0,
  },
  server: {
    host: "127.0.0.1",
    port: 5173,
    proxy: { "/v1": api, "/health": api, "/portal/login": api },
  },
});
