import assert from "node:assert/strict";
import { toDot, toMermaid } from "#src/pipeline/graph.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { components } from "../support/components.js";

const plan = (sources: string, operators: string, sinks: string) =>
  parsePipeline(
    `version: 1\nname: p\nsources: [${sources}]\noperators: [${operators}]\nsinks: [${sinks}]\n`,
    "/",
    {
      registry: components,
    },
  );
/** Each component with its inputs, in plan order. */
const edges = (...parts: Parameters<typeof plan>) =>
  plan(...parts).nodes.map(({ id, from }) => `${id}<-${from.join("+")}`);

const CLIP = "{ type: clip, path: a }";
const LINES = "{ type: lines, path: lines }";
const TWO_MODELS = [
  CLIP,
  "{ type: find }, { id: a, type: settle }, { id: ea, type: tell }, { id: b, type: settle, from: find }, { id: eb, type: tell }",
  LINES,
] as const;

describe("the planner", () => {
  it("chains a list from top to bottom", () => {
    assert.deepEqual(edges(CLIP, "{ type: find }, { type: settle }, { type: tell }", LINES), [
      "clip<-",
      "find<-clip",
      "settle<-find",
      "tell<-settle",
      "lines<-tell",
    ]);
  });

  it("connects all sources to the first operator, and gives each an id", () => {
    assert.deepEqual(
      edges(
        `${CLIP}, ${CLIP}, { id: clip-2, type: camera, url: a }`,
        "{ type: find }, { type: tell }",
        LINES,
      ),
      ["clip<-", "clip-3<-", "clip-2<-", "find<-clip+clip-3+clip-2", "tell<-find", "lines<-tell"],
    );
  });

  it("connects the ends of all chains to every sink", () => {
    assert.deepEqual(edges(...TWO_MODELS).slice(-1), ["lines<-ea+eb"]);
    assert.deepEqual(
      edges(CLIP, "{ type: find }, { type: tell }", `${LINES}, { type: lines, path: more }`).slice(-2),
      ["lines<-tell", "lines-2<-tell"],
    );
  });

  it("connects a sink of another kind to the last operator of that kind", () => {
    const nodes = edges(
      CLIP,
      "{ type: find }, { type: settle }, { type: tell }",
      `{ type: film, path: film }, ${LINES}`,
    );
    assert.deepEqual(nodes.slice(-2), ["film<-settle", "lines<-tell"]);
  });

  it("also connects events to a sink that takes them, if there are any", () => {
    const screen = "{ type: screen }";
    assert.deepEqual(edges(CLIP, "{ type: find }, { type: settle }, { type: tell }", screen).slice(-1), [
      "screen<-settle+tell",
    ]);
    assert.deepEqual(edges(CLIP, "{ type: find }, { type: settle }", screen).slice(-1), ["screen<-settle"]);
    assert.deepEqual(
      edges(CLIP, "{ type: find }, { type: tell }", "{ type: screen, from: [tell, find] }").slice(-1),
      ["screen<-tell+find"],
    );
    assert.throws(
      () => plan(CLIP, "{ type: halve }", screen),
      /sink `screen` takes faces, but `halve` gives frames; put `find` between them/,
    );
  });

  it("orders by dependencies, not by position in the file", () => {
    const nodes = edges(CLIP, "{ type: tell, from: late }, { id: late, type: find, from: clip }", LINES);
    assert.deepEqual(nodes, ["clip<-", "late<-clip", "tell<-late", "lines<-tell"]);
  });

  it("requests colour only from sources of components that draw", () => {
    const { colour } = plan(
      `{ id: a, type: clip, path: a }, { id: b, type: clip, path: b }`,
      "{ id: fa, type: find, from: a }, { id: fb, type: find, from: b }, { id: t, type: tell, from: [fb] }",
      `{ type: film, path: film, from: fa }, ${LINES}`,
    );
    assert.deepEqual([...colour], ["a"]);
  });

  it("finds the components after which nothing reads pixels", () => {
    const blind = components.map((c) =>
      c.role === "operator" && ["settle", "tell"].includes(c.type) ? { ...c, ignoresPixels: true } : c,
    );
    const last = (sinks: string, more = "") =>
      parsePipeline(
        `version: 1\nsources: [${CLIP}]\noperators: [{ type: find }, { type: settle }, { type: tell }${more}]\nsinks: [${sinks}]\n`,
        "/",
        { registry: blind },
      ).lastToSee;
    assert.deepEqual([...last(LINES)].sort(), ["find", "settle"]);
    assert.deepEqual([...last(`${LINES}, { type: film, path: film, from: settle }`)], []);
    assert.deepEqual([...last(`${LINES}, { type: film, path: film, from: find }`)], ["settle"]);
    assert.deepEqual(
      [...last(LINES, ", { id: other, type: find, from: clip }, { type: tell, from: other }")].sort(),
      ["find", "other", "settle"],
    );
  });

  it("looks at each component once, however many paths lead to it", () => {
    const layers = Array.from({ length: 40 }, (_, i) =>
      ["a", "b"].map((side) => `{ id: ${side}${i + 1}, type: settle, from: [a${i}, b${i}] }`),
    );
    const first = ["a0", "b0"].map((id) => `{ id: ${id}, type: find, from: clip }`);
    const operators = [...first, ...layers.flat(), "{ type: tell, from: [a40, b40] }"].join(", ");
    assert.equal(plan(CLIP, operators, LINES).nodes.length, 85);
  });

  it("rejects a sink of pictures that would get the same ones along two ways", () => {
    const branches = "{ id: one, type: find }, { id: two, type: find, from: clip }";
    assert.throws(
      () => plan(CLIP, branches, "{ type: film, path: film }"),
      /sink `film` would get each picture of `clip` from `one` and from `two`; give it `from: \[one\]` or `from: \[two\]`/,
    );
    plan(CLIP, branches, "{ type: film, path: film, from: one }, { type: film, path: other, from: two }");
    const sources = `{ id: a, type: clip, path: a }, { id: b, type: clip, path: b }`;
    plan(
      sources,
      "{ id: one, type: find, from: a }, { id: two, type: find, from: b }",
      "{ type: film, path: film }",
    );
    plan(CLIP, "{ type: find }, { type: tell }", "{ type: screen, from: [tell, find] }");
  });

  it("rejects a sink without the operators it needs before it", () => {
    const strict = components.map((c) => (c.type === "lines" ? { ...c, needs: ["settle"] } : c));
    const text = `version: 1\nsources: [${CLIP}]\noperators:\n- { type: find }\n- { type: tell }\nsinks: [${LINES}]\n`;
    assert.throws(() => parsePipeline(text, "/", { registry: strict }), {
      message: /needs a `settle` operator somewhere before it; add `- \{ type: settle \}`$/,
    });
  });

  it("rejects an operator without the operators it needs before it", () => {
    const strict = components.map((c) => (c.type === "tell" ? { ...c, needs: ["settle"] } : c));
    const text = `version: 1\nsources: [${CLIP}]\noperators:\n- { type: find }\n- { type: tell }\nsinks: [${LINES}]\n`;
    assert.throws(() => parsePipeline(text, "/", { registry: strict }), {
      message:
        "<pipeline>:5:3: `tell` needs a `settle` operator somewhere before it; add `- { type: settle }`",
    });
  });
});

describe("the graph", () => {
  it("is drawn as Mermaid", () => {
    assert.equal(
      toMermaid(plan(...TWO_MODELS)),
      `flowchart LR
  n1(["clip"])
  n2["find"]
  n3["a<br/>settle"]
  n4["ea<br/>tell"]
  n5["b<br/>settle"]
  n6["eb<br/>tell"]
  n7[/"lines"/]
  n1 -- frames --> n2
  n2 -- faces --> n3
  n3 -- faces --> n4
  n2 -- faces --> n5
  n5 -- faces --> n6
  n4 -- events --> n7
  n6 -- events --> n7
`,
    );
  });

  it("is drawn as dot, whatever its name", () => {
    const named = { ...plan(CLIP, "{ type: find }, { type: tell }", LINES), name: 'a "b" \\' };
    assert.equal(toDot(named).split("\n", 1)[0], 'digraph "a \\"b\\" \\\\" {');
  });

  it("is drawn as dot", () => {
    assert.equal(
      toDot(plan(CLIP, "{ type: find }, { id: t, type: tell }", LINES)),
      `digraph "p" {
  rankdir=LR;
  "clip" [label="clip", shape=ellipse];
  "find" [label="find", shape=box];
  "t" [label="t\\ntell", shape=box];
  "lines" [label="lines", shape=parallelogram];
  "clip" -> "find" [label="frames"];
  "find" -> "t" [label="faces"];
  "t" -> "lines" [label="events"];
}
`,
    );
  });
});
