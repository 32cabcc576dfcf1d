import assert from "node:assert/strict";
import { findEncoder } from "#src/media/encoders.js";
import { findFfmpeg } from "#src/media/ffmpeg.js";

describe("choosing an encoder", function () {
  this.timeout(60_000);

  it("starts no ffmpeg for libx264 as it is, if that was built in", async () => {
    const ffmpeg = { ...(await findFfmpeg()), path: "/nowhere/ffmpeg" };
    const { name } = await findEncoder({ ...ffmpeg, x264: true }, { codec: "libx264" });
    assert.equal(name, "libx264");
    for (const [x264, wish] of [
      [false, { codec: "libx264" }],
      [true, { codec: "libx264", preset: "veryfast" }],
      [true, { codec: "libx264", quality: 20 }],
      [true, { codec: "libx265" }],
    ] as const)
      await assert.rejects(findEncoder({ ...ffmpeg, x264 }, wish), /ENOENT/);
  });

  it("refuses a preset that the encoder does not have", async () => {
    await assert.rejects(findEncoder(await findFfmpeg(), { codec: "libx264", preset: "swift" }), {
      code: "CODEC_UNUSABLE",
    });
  });
});
