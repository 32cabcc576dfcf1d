import assert from "node:assert/strict";
import { ARCHITECTURES, checkPictureSize } from "#src/model/architectures/index.js";

describe("a picture size", () => {
  const check = (name: "small" | "study", width: number, height: number) =>
    checkPictureSize(`faces: the architecture ${name}`, ARCHITECTURES[name](7, 0), { width, height });

  it("that a network can take is accepted", () => {
    check("small", 48, 64);
    check("study", 48, 51);
  });

  it("that a network cannot take is refused, naming the nearest one that it can", () => {
    assert.throws(() => check("small", 50, 48), {
      name: "ConfigError",
      message:
        /^faces: the architecture small cannot take pictures of 50x48; the nearest size is 48x48; set `data\.width`/,
    });
    assert.throws(() => check("small", 511, 9), { message: /the nearest size is 512x8;/ });
  });
});
