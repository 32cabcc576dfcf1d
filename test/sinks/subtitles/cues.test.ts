import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cue, CueMaker, Flattener, type Sighting } from "#src/sinks/subtitles/cues.js";

const OPTIONS = { move: 0.25, longestMs: 1000 };
const LABELS = ["happy", "sad"];

function sighting(track: number, more: Partial<Sighting> = {}): Sighting {
  return { track, box: { x: 0, y: 0, width: 100, height: 100 }, label: "happy", confidence: 0.8, ...more };
}

/** Cues of frames 40 ms apart. */
function cuesOf(pictures: readonly (readonly Sighting[])[], options = OPTIONS): Cue[] {
  const maker = new CueMaker(options);
  return [...pictures.flatMap((faces, i) => maker.add(i * 40, faces)), ...maker.end()];
}

const times = (cues: readonly Cue[]) => cues.map(({ fromMs, toMs, text }) => `${fromMs}-${toMs} ${text}`);

/** Which of up to three faces is seen in each frame, with which label, and how far to the right. */
const anyPictures = fc.array(
  fc
    .uniqueArray(
      fc.record({
        track: fc.integer({ min: 1, max: 3 }),
        label: fc.constantFrom(...LABELS),
        x: fc.integer({ min: 0, max: 60 }),
      }),
      { selector: ({ track }) => track, maxLength: 3 },
    )
    .map((faces) =>
      faces.map(({ track, label, x }) =>
        sighting(track, { label, box: { x, y: 0, width: 100, height: 100 } }),
      ),
    ),
  { minLength: 1, maxLength: 60 },
);

describe("cues", () => {
  it("last while a face has its label, and show its average confidence", () => {
    const happy = [0.6, 0.8, 1].map((confidence) => [sighting(1, { confidence })]);
    const sad = [[sighting(1, { label: "sad", confidence: 0.5 })]];
    assert.deepEqual(times(cuesOf([...happy, ...sad])), ["0-120 #1 happy 80 %", "120-160 #1 sad 50 %"]);
  });

  it("bridge a few frames without the face, but no more", () => {
    const gap = (n: number) => [[sighting(1)], ...Array.from({ length: n }, () => []), [sighting(1)]];
    assert.deepEqual(times(cuesOf(gap(5))), ["0-280 #1 happy 80 %"]);
    assert.deepEqual(times(cuesOf(gap(10))), ["0-40 #1 happy 80 %", "440-480 #1 happy 80 %"]);
  });

  it("restart when the face has moved, and when they are long", () => {
    const at = (x: number) => [sighting(1, { box: { x, y: 0, width: 100, height: 100 } })];
    assert.equal(cuesOf([at(0), at(10), at(20), at(30), at(40)]).length, 2);
    assert.equal(cuesOf(Array.from({ length: 60 }, () => at(0))).length, 3);
  });

  it("never overlap for one face, are ordered by start, and show every face that was seen", () => {
    fc.assert(
      fc.property(anyPictures, (pictures) => {
        const cues = cuesOf(pictures);
        for (const [i, cue] of cues.entries()) {
          assert(cue.toMs > cue.fromMs, JSON.stringify(cue));
          assert(cue.toMs - cue.fromMs <= OPTIONS.longestMs + 250 + 40);
          assert(cue.fromMs >= (cues[i - 1]?.fromMs ?? 0), "not in order");
        }
        for (const track of [1, 2, 3]) {
          const own = cues.filter(({ text }) => text.startsWith(`#${track} `));
          for (const [i, cue] of own.entries()) assert(cue.fromMs >= (own[i - 1]?.toMs ?? 0), "overlap");
        }
        for (const [i, faces] of pictures.entries())
          for (const { track, label } of faces)
            assert(
              cues.some(
                ({ fromMs, toMs, text }) =>
                  fromMs <= i * 40 && i * 40 < toMs && text.startsWith(`#${track} ${label} `),
              ),
              `face ${track} of picture ${i}`,
            );
      }),
    );
  });

  it("follow one another when flattened, and still show every face from left to right", () => {
    fc.assert(
      fc.property(anyPictures, (pictures) => {
        const cues = cuesOf(pictures);
        const flattener = new Flattener();
        const lines = [...cues.flatMap((cue) => flattener.add(cue)), ...flattener.end()];
        for (const [i, { fromMs, toMs, texts }] of lines.entries()) {
          assert(toMs > fromMs && fromMs >= (lines[i - 1]?.toMs ?? 0));
          const shown = cues.filter((cue) => cue.fromMs <= fromMs && cue.toMs >= toMs);
          const sorted = shown.sort((a, b) => a.from.x - b.from.x).map(({ text }) => text);
          assert.deepEqual(texts, sorted);
        }
        const length = (all: readonly { fromMs: number; toMs: number }[]) =>
          all.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
        const faces = lines.reduce((sum, { fromMs, toMs, texts }) => sum + (toMs - fromMs) * texts.length, 0);
        assert.equal(faces, length(cues));
      }),
    );
  });
});
