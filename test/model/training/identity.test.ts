import assert from "node:assert/strict";
import { Default } from "typebox/value";
import { identityOf } from "#src/model/training/identity.js";
import { Recipe } from "#src/model/training/index.js";
import { brightness } from "../../support/brightness.js";

/** Of 2^31 - 1 zeros, a one, and `brightness()`'s labels and splits: hashing them a second time would take seconds. */
const SHA256 = "8e5f8bf36000d33b8b8be90915d090fe046070dba7d895bbcb8b11f0dfcec5c3";

describe("what a checkpoint is recognised by", function () {
  this.timeout(120_000);

  it("includes pictures of more than 2 GiB, the last of them too", async () => {
    const recipe = Default(Recipe, { name: "large", data: { path: "unused" } }) as Recipe;
    const images = new Uint8Array(new SharedArrayBuffer(2 ** 31)); // zeros, which take no memory until written
    images[images.length - 1] = 1;
    const { pictures } = JSON.parse(await identityOf(recipe, { ...brightness(), images })) as Record<
      string,
      unknown
    >;
    assert.equal(pictures, SHA256);
  });
});
