import assert from "node:assert/strict";
import { Default } from "typebox/value";
import { identityOf } from "#src/model/training/identity.js";
import { Recipe } from "#src/model/training/index.js";
import { brightness } from "../../support/brightness.js";

describe("what a checkpoint is recognised by", function () {
  this.timeout(120_000);

  it("includes pictures of more than 2 GiB, the last of them too", async () => {
    const recipe = Default(Recipe, { name: "large", data: { path: "unused" } }) as Recipe;
    const images = new Uint8Array(new SharedArrayBuffer(2 ** 31)); // zeros, which take no memory until written
    const dataset = { ...brightness(), images };
    const before = await identityOf(recipe, dataset);
    images[images.length - 1] = 1;
    assert.notEqual(await identityOf(recipe, dataset), before);
  });
});
