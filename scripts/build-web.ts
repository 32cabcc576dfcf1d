// Bundles the live page into dist/web, and prints its size.
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const OUT = "dist/web";
// uPlot's licence must accompany its code.
const licence = `/* This file holds uPlot.\n${readFileSync("node_modules/uplot/LICENSE", "utf8").trim()} */`;
await build({
  entryPoints: [
    { in: "src/web/main.ts", out: "app" },
    { in: "src/web/app.css", out: "app" },
  ],
  outdir: OUT,
  bundle: true,
  minify: true,
  target: ["es2022", "safari16"],
  format: "esm",
  banner: { js: licence },
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) copyFileSync(`src/web/${name}`, `${OUT}/${name}`);
if (process.argv.includes("--sizes"))
  for (const name of readdirSync(OUT)) {
    const bytes = readFileSync(`${OUT}/${name}`);
    console.log(`${name}: ${bytes.length} bytes, ${gzipSync(bytes).length} gzipped`);
  }
