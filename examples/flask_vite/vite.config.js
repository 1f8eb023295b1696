import { defineConfig } from "vite";

// The pages come from Flask; Vite builds what they load, and writes a manifest of the hashed names.
export default defineConfig({
  base: "/static/",
  build: { manifest: true, outDir: "built", rollupOptions: { input: "frontend/main.js" } },
});
