import { map, pipe } from "rxjs";
import { Type } from "typebox";
import { operator } from "../../pipeline/component.js";
import { Duration } from "../../pipeline/units.js";
import { changing } from "../changing.js";
import { covered } from "./covered.js";
import { Hider } from "./hide.js";

/** Fewest frames to hold back: a detector may miss a face in its first frames even if it looks at every one. */
const AHEAD = 5;
const MOST_AHEAD = 60;

/** By default as many as the operators before it may be late in finding a face, from `AHEAD` to `MOST_AHEAD`. */
const aheadOf = (given: number | undefined, late: number): number =>
  given ?? Math.min(MOST_AHEAD, Math.max(AHEAD, late));

/** Makes faces unrecognisable before anything draws, stores or shows them. */
export const blur = operator({
  type: "blur",
  summary: "Makes faces unrecognisable.",
  description:
    "A face is hidden where it is, where it was for `linger`, and, because a detector may find a face late, in the `ahead` frames before it was found. So pictures arrive that many frames later, also from a camera; the last ones within some seconds of its end. What the detector finds is hidden even if `track` does not pass it on; what it never finds is not hidden.\n\nPut it after `classify` and `smooth`, which read pixels, and before anything that draws. A pipeline with `blur` and a picture sink that is not behind it is refused. Pixels are changed in place, or in a copy if another branch of the graph still uses the frame.",
  takes: "faces",
  gives: "faces",
  colour: true,
  hides: true,
  spoils: ["detect", "classify"],
  options: Type.Object({
    style: Type.Optional(
      Type.Union([Type.Literal("pixelate"), Type.Literal("gaussian"), Type.Literal("solid")], {
        default: "pixelate",
        description:
          "`solid` leaves nothing of the face, `pixelate` six squares across it, `gaussian` a smooth patch. Only `solid` is safe from software that reconstructs faces from what is left.",
      }),
    ),
    tracks: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1 }), {
        minItems: 1,
        description: "Only these tracks; needs `track` before it. Default: every face.",
      }),
    ),
    margin: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 3,
        default: 0.3,
        description: "Margin to hide on each side of the face's box, as a fraction of its size.",
      }),
    ),
    linger: Type.Optional(
      Duration({ default: "400ms", description: "How long a place stays hidden after a face was there." }),
    ),
    ahead: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MOST_AHEAD,
        description: `Frames to hold back, so that a face found later is hidden in them too. Default: as many as \`detect\` (\`every\`) and \`track\` (\`minHits\`) before it may be late, at least ${AHEAD}.`,
      }),
    ),
  }),
  example: "- { type: blur, style: pixelate }",
  concern: ({ ahead: given }, { late }) => {
    const ahead = aheadOf(given, late);
    if (ahead >= late) return undefined;
    const way = given === undefined ? "give `detect` a smaller `every`" : "remove `ahead`";
    return `a face may be found ${late} frames late, but only ${ahead} are held back, so it can be seen in the frames between; ${way}`;
  },
  holds: ({ ahead }, late) => aheadOf(ahead, late),
  build: ({ style = "pixelate", tracks, margin = 0.3, linger = 400, ahead: given }, context) => {
    const ahead = aheadOf(given, context.late);
    const chosen = tracks && new Set(tracks);
    const hider = new Hider(style);
    const isAway = (source: string) => {
      const state = context.stats.sources.find(({ id }) => id === source)?.state;
      return state === "ended" || state === "reconnecting";
    };
    return pipe(
      covered({ margin, lingerMs: linger, ahead, isAway, ...(chosen && { chosen }) }),
      changing(context, ({ frame, cover }) => hider.hide(frame, cover)),
      map(({ cover: _, ...item }) => item),
    );
  },
});
