import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// One script and one style sheet, so that an exported page can hold the whole lab in a single file.
export default defineConfig({
  plugins: [svelte()],
  base: "/",
  build: {
    outDir: "../src/pellucid/server/static",
    emptyOutDir: true,
    assetsInlineLimit: 100_000,
    cssCodeSplit: false,
    modulePreload: false,
    target: "es2022",
    rollupOptions: { output: { codeSplitting: false } },
  },
  server: { host: "127.0.0.1", proxy: { "/api": "http://127.0.0.1:8752" } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
