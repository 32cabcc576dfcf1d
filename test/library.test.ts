import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { RECORDING } from "./support/pictures.js";

// Below node_modules, so that it finds packages as a project does that has them installed.
const FOLDER = new URL("../node_modules/.cache/ekspresi-library/", import.meta.url);

describe("the package's types", function () {
  this.timeout(60_000);

  /** Compiles a file of `dist` without Node's types, with these of TypeScript's own. */
  const compiled = (door: string, lib: string) => {
    const at = (path: string) => fileURLToPath(new URL(path, new URL("../", import.meta.url)));
    const options = `--ignoreConfig --noEmit --strict --skipLibCheck false --module nodenext --target es2022 --lib ${lib} --types`;
    const args = [at("node_modules/typescript/bin/tsc"), ...options.split(" "), "", at(`dist/${door}.d.ts`)];
    return spawnSync(process.execPath, args, { encoding: "utf8" }).stdout;
  };

  it("need no types of Node's where the DOM's are there", () => {
    assert.equal(compiled("index", "es2022,dom"), "");
  });

  it("need neither for events alone", () => {
    assert.equal(compiled("events/index", "es2022"), "");
  });
});

describe("the program of docs/library.md", function () {
  this.timeout(60_000);
  before(() => {
    const text = readFileSync(new URL("../docs/library.md", import.meta.url), "utf8");
    const [, code = ""] = /```ts\n(.*?)```/s.exec(text) ?? [];
    const entry = new URL("../dist/index.js", import.meta.url).href;
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(new URL("package.json", FOLDER), '{ "type": "module" }');
    writeFileSync(new URL("own.ts", FOLDER), code.replace('"ekspresi"', JSON.stringify(entry)));
  });
  after(() => rmSync(FOLDER, { recursive: true }));

  const run = (faces: number) => {
    const yaml = `version: 1
sources: [{ type: file, path: ${JSON.stringify(RECORDING)}, to: 1s }]
operators:
  [{ type: detect, minSize: 15% }, { type: track }, { type: classify }, { type: crowded, faces: ${faces} }, { type: events }]
sinks: [{ type: jsonl, path: out.jsonl }]
`;
    writeFileSync(new URL("lobby.yaml", FOLDER), yaml);
    const cwd = fileURLToPath(FOLDER);
    return promisify(execFile)(process.execPath, ["--import", "tsx", "own.ts"], { cwd });
  };

  it("runs a pipeline with an operator of its own, and ends by itself", async () => {
    const { stdout, stderr } = await run(1);
    assert.match(stdout, /^[1-9]\d* events\n$/);
    assert.equal(stderr, "");
    assert.equal((await run(2)).stdout, "0 events\n");
  });
});
