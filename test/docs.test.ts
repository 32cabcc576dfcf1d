import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generated } from "../scripts/docs/generated.js";

describe("what is generated from the code", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  for (const [path, text] of generated(root))
    it(`${path.slice(root.length)} is current`, () => {
      assert.equal(readFileSync(path, "utf8"), text, "run `npm run docs` and commit");
    });
});
