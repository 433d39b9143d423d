import { defineConfig, type UserConfig } from "vite";

// The API serves dist/ under /portal/; in development Vite hands everything else to a running `cartulary serve`.
const api = { target: "http://127.0.0.1:8600", changeOrigin: false };

const shared = {
  target: "es2022",
  sourcemap: false,
  // Nothing inlined as data: URLs, so that the page needs no exception in its Content-Security-Policy.
  assetsInlineLimit: 0,
} as const;

const portal: UserConfig = {
  base: "/portal/",
  worker: { format: "es" },
  build: {
    ...shared,
    // MapLibre alone is larger than Vite's default limit of 500 kB.
    chunkSizeWarningLimit: 1500,
  },
  server: {
    host: "127.0.0.1",
    port: 5173,
    proxy: { "/v1": api, "/health": api, "/portal/login": api, "/portal/logout": api, "/intake": api },
  },
};

// The public form is a page of its own, so that it carries nothing of the portal: `vite build --mode form`, after the portal's.
const form: UserConfig = {
  root: "src/form",
  base: "./",
  publicDir: false,
  build: { ...shared, outDir: "../../dist/form", emptyOutDir: true },
};

export default defineConfig(({ mode }) => (mode === "form" ? form : portal));
