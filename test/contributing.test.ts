import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { firstValueFrom, from, toArray } from "rxjs";
import type { operator } from "#src/pipeline/component.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { registry } from "#src/registry.js";
import { testContext } from "./support/context.js";
import { frameOf } from "./support/frames.js";

// Below node_modules, so that it finds packages as a file of the project does.
const FOLDER = new URL("../node_modules/.cache/ekspresi-contributing/", import.meta.url);

describe("the operator of CONTRIBUTING.md", () => {
  let everyNth: ReturnType<typeof operator>;
  before(async () => {
    const text = readFileSync(new URL("../CONTRIBUTING.md", import.meta.url), "utf8");
    const [, code = ""] = /```ts\n(.*?)```/s.exec(text) ?? [];
    const component = new URL("../dist/pipeline/component.js", import.meta.url);
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(new URL("every-nth.ts", FOLDER), code.replace("../pipeline/component.js", component.href));
    ({ everyNth } = (await import(new URL("every-nth.ts", FOLDER).href)) as { everyNth: typeof everyNth });
  });
  after(() => rmSync(FOLDER, { recursive: true }));

  it("is known to the language by one line in the registry", () => {
    const components = [...registry, everyNth];
    const yaml = (n: number) => `version: 1
sources: [{ type: test }]
operators: [{ type: every-nth, n: ${n} }, { type: detect }, { type: track }, { type: classify }, { type: events }]
sinks: [{ type: console }]`;
    assert.equal(parsePipeline(yaml(2), "/", { registry: components }).nodes.length, 7);
    assert.throws(() => parsePipeline(yaml(0), "/", { registry: components }), /3:35: every-nth: `n` is 0/);
  });

  it("keeps each n-th frame and gives the others back", async () => {
    const { context, pool } = testContext({ slots: 8 });
    const operate = await everyNth.build({ n: 3 }, context);
    const frames = [0, 1, 2, 3, 4, 5].map((i) => frameOf(pool, i));
    const kept = (await firstValueFrom(from(frames).pipe(operate as never, toArray()))) as typeof frames;
    assert.deepEqual(
      kept.map(({ sequence }) => sequence),
      [0, 3],
    );
    assert.equal(pool.leased, 2);
  });
});
