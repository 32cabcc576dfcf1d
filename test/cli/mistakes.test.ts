import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RECORDING } from "../support/pictures.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Mistakes in a pipeline file, one component per line, and the expected message. */
const MISTAKES: [
  name: string,
  lines: { source?: string; detect?: string; classify?: string; sink?: string },
  says: RegExp,
][] = [
  [
    "an unknown model",
    { classify: "model: fer2013-smal" },
    /^p\.yaml:5:\d+: classify: model fer2013-smal: not found; use fer2013-small, fer2013-study, or the path of /,
  ],
  [
    "a folder that is not a model",
    { classify: "model: ./empty" },
    /^p\.yaml:5:5: model \S*\/empty: it has no card\.json; give /,
  ],
  ["a file that is no model", { classify: "model: ./p.yaml" }, /^p\.yaml:5:5: model \S*\/p\.yaml: /],
  [
    "an unknown cascade",
    { detect: "cascade: frontal" },
    /^p\.yaml:4:\d+: detect: cascade `frontal` not found; allowed: /,
  ],
  [
    "a missing cascade file",
    { detect: "cascade: ./none.xml" },
    /^p\.yaml:4:5: cascade .*none\.xml: no such file; give /,
  ],
  [
    "a misspelt cascade",
    { detect: "cascade: frontalface_defualt" },
    /^p\.yaml:4:\d+: detect: cascade `frontalface_defualt` not found; did you mean `frontalface_default`\? \(allowed: /,
  ],
  ["a cascade that is none", { detect: "cascade: ./text.xml" }, /^p\.yaml:4:5: cascade .*text\.xml: /],
  [
    "a folder as output",
    { sink: "type: jsonl, path: empty" },
    /^p\.yaml:8:9: jsonl: .*empty cannot be written: it is a folder$/,
  ],
  [
    "an output below a file",
    { sink: "type: jsonl, path: p.yaml/e.jsonl" },
    /^p\.yaml:8:9: jsonl: .* cannot be written: a part of its path is a file$/,
  ],
  [
    "an end before its start",
    { source: `type: file, path: ${RECORDING}, from: 9s, to: 2s` },
    /^p\.yaml:2:\d+: file: `to` \(2000 ms\) must be after `from` \(9000 ms\)$/,
  ],
  [
    "a maximum below the minimum",
    { detect: "minSize: 200px, maxSize: 50px" },
    /^p\.yaml:4:\d+: detect: `maxSize` must be at least `minSize`$/,
  ],
  [
    "8 bits on a GPU",
    { classify: "precision: int8, provider: webgpu" },
    /^p\.yaml:5:\d+: classify: `precision: int8` is for `engine: onnx` with `provider: cpu`; remove /,
  ],
  [
    "a URL of another kind, with a password",
    { source: "type: rtsp, url: 'http://me:hunter2@door/1'" },
    /^p\.yaml:2:\d+: rtsp: `url` is "http:\/\/me:\*\*\*@door\/1"; it must have a form such as rtsp:/,
  ],
  [
    "an invalid server address",
    { sink: "type: nats, url: 'htp://me:hunter2@door:1'" },
    /^p\.yaml:8:28: nats: htp:\/\/me:\*\*\*@door:1: `htp:\/\/` is not a NATS address/,
  ],
  [
    "a URL with a misspelt scheme and a password",
    { source: "type: rtsp, url: 'rtsp//me:hunter2@door'" },
    /^p\.yaml:2:\d+: rtsp: `url` is "rtsp\/\/me:\*\*\*@door"; it must have a form such as rtsp:/,
  ],
  [
    "two ways to log in",
    { sink: "type: nats, nkey: a.nk, token: hunter2" },
    /^p\.yaml:8:\d+: nats: NATS: token and nkey cannot be combined; give one login method$/,
  ],
  [
    "a token that is too short",
    { sink: "type: web, token: hunter2" },
    /^p\.yaml:8:\d+: web: `token` is \*\*\*; it must NOT have fewer than 16 characters$/,
  ],
  [
    "a password in what is no type",
    { sink: "type: { password: hunter2 }" },
    /^p\.yaml:8:\d+: `type` is \{"password":"\*\*\*"\}; allowed: /,
  ],
  [
    "a file for each event",
    { sink: "type: jsonl, path: e.jsonl, rotate: { size: 0 }" },
    /^p\.yaml:8:\d+: jsonl: `rotate` must not be 0/,
  ],
  [
    "a buffer that holds nothing",
    { sink: "type: nats, buffer: 0" },
    /^p\.yaml:8:\d+: nats: `buffer` must not be 0: no event could be sent$/,
  ],
  [
    "a stream that holds nothing",
    { sink: "type: nats, stream: { name: E, create: true, maxBytes: 0 }" },
    /^p\.yaml:8:\d+: nats: `maxBytes` must not be 0; leave it out for the default$/,
  ],
  [
    "a stream that recognises no duplicates",
    { sink: "type: nats, stream: { name: E, create: true, duplicateWindow: 0s }" },
    /^p\.yaml:8:\d+: nats: `duplicateWindow` must not be 0; /,
  ],
  [
    "an endless scan",
    { detect: "scaleFactor: 1.0000001" },
    /^p\.yaml:4:\d+: detect: `scaleFactor` is 1\.0000001; it must be >= 1\.01/,
  ],
  [
    "not a number",
    { detect: "every: .nan" },
    /^p\.yaml:4:\d+: detect: `every` is NaN; it must be a whole number$/,
  ],
  [
    "no frames per second",
    { source: `type: images, path: ., fps: 0` },
    /^p\.yaml:2:\d+: images: `fps` is 0; it must be /,
  ],
  [
    "an unknown field in a file name",
    { sink: "type: video, path: 'out/{camera}.mp4'" },
    /^p\.yaml:8:\d+: video: .*unknown field \{camera\}; allowed: \{source\}$/,
  ],
];

describe("mistakes in a pipeline file", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    mkdirSync(join(folder, "empty"));
    writeFileSync(join(folder, "text.xml"), "no cascade");
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [
    name,
    { source, detect = "minSize: 20%", classify = "batch: { size: 8 }", sink },
    says,
  ] of MISTAKES)
    it(`are reported by run in one line with place and remedy, and exit code 2: ${name}`, () => {
      const yaml = `version: 1
sources: [{ ${source ?? `type: file, path: ${RECORDING}, to: 1s`} }]
operators:
  - { type: detect, ${detect} }
  - { type: classify, ${classify} }
  - { type: track }
  - { type: events }
sinks: [{ ${sink ?? "type: console"} }]
`;
      writeFileSync(join(folder, "p.yaml"), yaml);
      const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "run", "p.yaml"], {
        cwd: folder,
        encoding: "utf8",
      });
      assert.equal(status, 2, stderr);
      assert.match(stderr.trimEnd(), says);
      assert.equal(stderr.trimEnd().split("\n").length, 1);
      assert.doesNotMatch(stderr + stdout, /hunter2/);
    });

  it("are reported as a line of JSON with --json", () => {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, "run", "nosuch.yaml", "--json"], {
      encoding: "utf8",
    });
    assert.equal(status, 2);
    const { level, message } = JSON.parse(stderr) as Record<string, string>;
    assert.equal(level, "error");
    assert.match(message ?? "", /^nosuch\.yaml: .*no such file/);
  });

  it("are reported, like misspelt commands, settings and folders, before anything is done", () => {
    for (const [args, says] of [
      [
        ["run", "pipelines/webcam.yaml"],
        /^pipelines\/webcam\.yaml: no such file; the shipped one is \.\.\/.*\/pipelines\/webcam\.yaml$/m,
      ],
      [
        ["run", "pipelines\\webcam.yaml"],
        /^pipelines\\webcam\.yaml: no such file; the shipped one is \.\.\/.*\/pipelines\/webcam\.yaml$/m,
      ],
      [["help", "rnu"], /^pipeline: unknown command `rnu`; did you mean `run`\?/],
      [["help", "models", "chek"], /^models: unknown command `chek`; did you mean `check`\?/],
      [["models", "chek"], /^models: unknown command `chek`; did you mean `check`\?/],
      [["jobs", "canel", "x"], /^jobs: unknown command `canel`; did you mean `cancel`\?/],
      [
        ["validate", "p.yaml", "--set", "sources.0.__proto__.x=1"],
        /^--set sources\.0\.__proto__\.x: `__proto__` is not allowed/,
      ],
      [
        ["worker", "--read", "nowhere"],
        /^--read nowhere: folder not found; create it or remove the option$/m,
      ],
      [["worker", "--folder", "text.xml"], /^--folder text\.xml: it is a file; give a folder$/m],
      [["annotate", RECORDING, "-o", "empty"], /^--output empty: it is a folder; give a file name$/m],
    ] as const) {
      const ran = spawnSync(process.execPath, [MAIN, ...args], { cwd: folder, encoding: "utf8" });
      assert.match(ran.stderr, says);
      assert.deepEqual([ran.status, ran.stderr.trimEnd().split("\n").length], [2, 1], ran.stderr);
    }
  });

  it("do not include a closed pipe on standard output, even as reported by Windows", () => {
    const preload = join(folder, "gone.cjs");
    writeFileSync(
      preload,
      `process.stdout.write = () => {
        const error = Object.assign(new Error("write EOF"), { code: "EOF" });
        return !setImmediate(() => process.stdout.emit("error", error));
      };`,
    );
    const args = ["--require", preload, MAIN, "schema"];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
  });

  it("do not hide a full disk on standard output, reported in one line", function () {
    if (!existsSync("/dev/full")) this.skip(); // Linux has it
    const full = openSync("/dev/full", "w");
    const ran = spawnSync(process.execPath, [MAIN, "schema"], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    closeSync(full);
    assert.equal(ran.stderr, "cannot write to standard output: the disk is full\n");
    assert.equal(ran.status, 1);
  });

  it("are reported, like flags of the other kind of worker, before connecting to a server", () => {
    for (const [args, says] of [
      [["--model", "mine"], /^--model only applies to workers that run models; add --inference/],
      [
        ["--inference", "--take", "camera"],
        /^--take only applies to workers that take jobs; remove it or --inference/,
      ],
    ] as const) {
      const { status, stderr } = spawnSync(process.execPath, [MAIN, "worker", ...args], { encoding: "utf8" });
      assert.equal(status, 2);
      assert.match(stderr, says);
    }
  });

  it("are found by validate if the file alone shows them, including names of models and cascades", () => {
    const yaml = `version: 1
sources: [{ type: file, path: not-here-yet.mp4 }]
operators:
  - { type: detect, cascade: frontal }
  - { type: track }
  - { type: classify, model: fer2013-smal }
  - { type: events }
sinks: [{ type: console }]
`;
    writeFileSync(join(folder, "p.yaml"), yaml);
    const { status, stderr } = spawnSync(process.execPath, [MAIN, "validate", "p.yaml"], {
      cwd: folder,
      encoding: "utf8",
    });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /^p\.yaml:4:\d+: detect: .*\np\.yaml:6:\d+: classify: .*\n$/);
  });

  it("are only a warning if an option has no effect next to another", () => {
    const yaml = `version: 1
sources: [{ type: file, path: ${RECORDING}, to: 300ms }]
operators: [{ type: detect }, { type: track }, { type: classify }, { type: smooth, window: 2s }, { type: events }]
sinks: [{ type: jsonl, path: '-', fsync: always }]
`;
    writeFileSync(join(folder, "p.yaml"), yaml);
    const said = ["validate", "run"].map((verb) => {
      const { status, stderr } = spawnSync(process.execPath, [MAIN, verb, "p.yaml"], {
        cwd: folder,
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
      return stderr.split("\n").filter((line) => line.startsWith("warning: "));
    });
    assert.match(
      said[0]?.join("\n") ?? "",
      /^warning: p\.yaml:3:\d+: smooth: `window` has no effect without `method: vote`.*\nwarning: p\.yaml:4:\d+: jsonl: `fsync` has no effect with standard output$/,
    );
    assert.deepEqual(said[1], said[0]);
  });

  it("are a warning if a nats sink has the settings of its other kind of delivery", () => {
    for (const [sink, wanted] of [
      ["spool: { size: 1GB }", "`spool` has no effect without `stream`"],
      ["stream: { name: A }, buffer: 1MB", "`buffer` has no effect with `stream`"],
    ] as const) {
      const yaml = `version: 1
sources: [{ type: file, path: ${RECORDING} }]
operators: [{ type: detect }, { type: track }, { type: classify }, { type: events }]
sinks: [{ type: nats, ${sink} }]
`;
      writeFileSync(join(folder, "p.yaml"), yaml);
      const { status, stderr } = spawnSync(process.execPath, [MAIN, "validate", "p.yaml"], {
        cwd: folder,
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
      assert(stderr.includes(`nats: ${wanted}\n`), stderr);
    }
  });
});
