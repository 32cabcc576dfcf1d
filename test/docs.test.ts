import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { registry } from "#src/registry.js";
import { generated } from "../scripts/docs/generated.js";

describe("what is generated from the code", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  for (const [path, text] of generated(root))
    it(`${path.slice(root.length)} is current`, () => {
      assert.equal(readFileSync(path, "utf8"), text, "run `npm run docs` and commit");
    });
});

describe("README.md", () => {
  it("names every component in its table", () => {
    const lines = readFileSync(new URL("../README.md", import.meta.url), "utf8").split("\n");
    for (const { role, type } of registry) {
      const row = lines.find((line) => line.startsWith(`| ${role}s | `));
      assert(row?.includes(`\`${type}\``), `${role} \`${type}\``);
    }
  });
});
