import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { RECORDING } from "../../support/pictures.js";

const MAIN = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));

/** Loaded before anything else, by worker threads too: simulates a machine that onnxruntime is not built for. */
const MACHINES = {
  "an Intel Mac": `
    Object.defineProperty(process, "platform", { value: "darwin" });
    Object.defineProperty(process, "arch", { value: "x64" });`,
  musl: `
    const { dlopen } = process;
    process.dlopen = (module, file, ...rest) => {
      if (!file.includes("onnxruntime")) return dlopen(module, file, ...rest);
      throw Object.assign(new Error("Error loading shared library ld-linux-x86-64.so.2"), { code: "ERR_DLOPEN_FAILED" });
    };`,
};

describe("on a machine where onnxruntime does not load", function () {
  this.timeout(60_000);
  let folder: string;
  let ffmpeg: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    ffmpeg = (await findFfmpeg()).path; // the npm package's is for this machine
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function pipeline(machine: string, args: readonly string[]) {
    const preload = join(folder, "machine.cjs");
    writeFileSync(preload, machine);
    return spawnSync(process.execPath, ["--require", preload, MAIN, ...args], {
      encoding: "utf8",
      env: { ...process.env, EKSPRESI_FFMPEG: ffmpeg },
    });
  }

  function classifying(engine: string): string {
    const file = join(folder, `${engine}.yaml`);
    writeFileSync(
      file,
      `version: 1
name: test
sources: [{ type: file, path: "${RECORDING}", from: 2s, to: 2.2s }]
operators: [{ type: detect, minSize: 25% }, { type: track }, { type: classify, engine: ${engine} }, { type: events }]
sinks: [{ type: jsonl, path: ${engine}.jsonl }]
`,
    );
    return file;
  }

  it("the runtime that Windows lacks is named", () => {
    const windows = `
      Object.defineProperty(process, "platform", { value: "win32" });
      Object.defineProperty(process, "arch", { value: "x64" });
      process.dlopen = () => {
        throw Object.assign(new Error("The specified module could not be found."), { code: "ERR_DLOPEN_FAILED" });
      };`;
    const { stdout } = pipeline(windows, ["doctor"]);
    assert.match(
      stdout,
      /onnxruntime cannot be loaded on win32 x64 \(The specified module .*\); it needs Microsoft's Visual C\+\+ runtime: `winget install Microsoft\.VCRedist\.2015\+\.x64`$/m,
    );
  });

  for (const [name, machine] of Object.entries(MACHINES)) {
    it(`doctor says so (${name})`, () => {
      const { stdout, stderr } = pipeline(machine, ["doctor"]);
      assert.match(
        stdout,
        /onnxruntime cannot be loaded on \w+ \w+ \((Cannot find module|Error loading).*\); /,
      );
      assert.equal(stderr, "");
    });

    it(`a run says in one line what to do (${name})`, () => {
      const { stderr, status } = pipeline(machine, ["run", classifying("onnx"), "--quiet"]);
      assert.match(
        stderr,
        /^.*model fer2013-small: onnxruntime cannot be loaded on \w+ \w+ .*set `engine: tfjs` on `classify`\n$/,
      );
      assert.equal(status, 2);
    });

    it(`TensorFlow.js replaces it (${name})`, () => {
      const { stderr, status } = pipeline(machine, ["run", classifying("tfjs"), "--quiet"]);
      assert.equal(status, 0, stderr);
      assert.match(readFileSync(join(folder, "tfjs.jsonl"), "utf8"), /"label"/);
    });
  }
});
