import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const FINE = `version: 1
sources: [{ type: file, path: a.mp4 }]
operators: [{ type: detect }, { type: track }, { type: classify }, { type: events }]
sinks: [{ type: console }]
`;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function pipeline(args: string[], env: NodeJS.ProcessEnv = {}, cwd = process.cwd()): Promise<Outcome> {
  const { DEBUG: _, NO_COLOR: __, FORCE_COLOR: ___, ...clean } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      ...{ env: { ...clean, ...env }, cwd },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

describe("the command line", function () {
  it("is executable right after the build, since npm may have linked it earlier", () => {
    accessSync(MAIN, constants.X_OK);
  });

  this.timeout(120_000); // a process for each verb, on a machine that may be busy
  let folder: string;
  let fine: string;
  let wrong: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    fine = join(folder, "fine.yaml");
    wrong = join(folder, "wrong.yaml");
    writeFileSync(fine, FINE);
    writeFileSync(wrong, FINE.replace("detect", "detcet"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("shows its help and exits with 2 without a verb, with 0 for --help", async () => {
    const [bare, help] = await Promise.all([pipeline([]), pipeline(["--help"])]);
    assert.equal(bare.code, 2);
    assert.match(bare.stderr, /Usage: pipeline/);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /Examples:/);
  });

  it("has an example in every verb's help", async () => {
    const { stdout } = await pipeline(["--help"]);
    const verbs = [...stdout.matchAll(/^ {2}([a-z]+) (?:\[|<|\s)/gm)]
      .map(([, verb = ""]) => verb)
      .filter((v) => v !== "help");
    assert(verbs.length >= 6, verbs.join());
    for (const verb of verbs) {
      const help = await pipeline([verb, "--help"]);
      assert.equal(help.code, 0, verb);
      assert.match(help.stdout, /Examples?:\n {2}\$ /, verb);
      assert.doesNotMatch(help.stdout, /default:\s+\[\]/, verb);
    }
  });

  it("exits with 2 on a misspelt verb or option and suggests the closest", async () => {
    const [verb, option] = await Promise.all([
      pipeline(["validte"]),
      pipeline(["graph", "--fromat", "dot", fine]),
    ]);
    assert.equal(verb.code, 2);
    assert.match(verb.stderr, /unknown command 'validte'\s+\(Did you mean validate\?\)/);
    assert.equal(option.code, 2);
    assert.match(option.stderr, /Did you mean --format\?/);
  });

  it("reports valid files, and mistakes with their place and exit code 2, in validate", async () => {
    const [good, bad] = await Promise.all([
      pipeline(["validate", fine]),
      pipeline(["validate", fine, wrong]),
    ]);
    const missing = `warning: ${fine}:2:11: file: ${join(folder, "a.mp4")} not found\n`;
    assert.deepEqual(good, { code: 0, stdout: `${fine}: ok, 6 components\n`, stderr: missing });
    assert.ok(bad.stderr.startsWith(missing));
    assert.equal(bad.code, 2);
    assert.equal(bad.stdout, `${fine}: ok, 6 components\n`);
    assert.match(
      bad.stderr,
      /\n.*wrong\.yaml:3:21: unknown operator `detcet`; did you mean `detect`\? \(allowed: .*\)\n$/,
    );
  });

  it("shows no control characters of file names on the terminal", async () => {
    const odd = mkdtempSync(join(folder, "\u001b[31m"));
    writeFileSync(join(odd, "p.yaml"), FINE);
    const checked = await pipeline(["validate", join(odd, "p.yaml")]);
    assert.match(checked.stdout, /\ufffd\[31m\w+\/p\.yaml: ok/);
    const examined = await pipeline(["doctor"], {}, odd);
    assert.match(examined.stdout, /\ufffd\[31m\w+ is writable/);
    assert.equal(examined.stdout.includes("\u001b"), false);
  });

  it("prints one list with validate --json", async () => {
    const { code, stdout, stderr } = await pipeline(["validate", "--json", fine, wrong]);
    assert.equal(code, 2);
    assert.equal(stderr, "");
    const [first, second] = JSON.parse(stdout) as { errors: string[]; warnings: string[]; ok: boolean }[];
    assert.deepEqual(first, { file: fine, ok: true, components: 6, errors: [], warnings: first?.warnings });
    assert.equal(first?.warnings.length, 1, "its recording is not there");
    assert.equal(second?.ok, false);
    assert.equal(second?.errors.length, 1);
  });

  it("exits with 1 without ffmpeg, since retrying a camera would not help", async () => {
    const camera = join(folder, "camera.yaml");
    writeFileSync(camera, FINE.replace("type: file, path: a.mp4", "type: rtsp, url: rtsp://127.0.0.1:1/x"));
    const { code, stderr } = await pipeline(["run", camera], { EKSPRESI_FFMPEG: "/nowhere/ffmpeg" });
    assert.equal(code, 1);
    assert.match(stderr, /^error: ffmpeg at \/nowhere\/ffmpeg \(EKSPRESI_FFMPEG\) does not start: /);
    assert.doesNotMatch(stderr, /trying again/);
  });

  it("never logs the password of a URL, even with --json and DEBUG", async () => {
    const path = "sources.0.path=http://ann:geheim@127.0.0.1:1/none.mp4";
    const { code, stderr } = await pipeline(["run", fine, "--set", path, "--json"], { DEBUG: "1" });
    assert.equal(code, 1);
    assert.match(stderr, /ann:\*\*\*@127\.0\.0\.1:1/);
    assert.match(stderr, /"message":"summary"/);
    assert.doesNotMatch(stderr, /geheim/);
  });

  it("logs nothing but JSON with --json, not even the token for --web", async () => {
    const { stderr } = await pipeline(["run", fine, "--json", "--quiet", "--web", "0.0.0.0:0"]);
    const lines = stderr.trim().split("\n");
    const said = lines.map((line) => (JSON.parse(line) as { message: string }).message);
    assert.match(said[0] ?? "", /^--web: the page will ask for this token: [\w-]{24}$/);
  });

  it("shows a stack only if DEBUG is set", async () => {
    const [plain, debug] = await Promise.all([
      pipeline(["validate", wrong]),
      pipeline(["validate", wrong], { DEBUG: "1" }),
    ]);
    assert.doesNotMatch(plain.stderr, /\n\s+at /);
    assert.match(debug.stderr, /\n\s+at /);
  });

  it("prints a graph as Mermaid and dot, and applies --set", async () => {
    const [mermaid, dot] = await Promise.all([
      pipeline(["graph", fine]),
      pipeline(["graph", fine, "--format", "dot", "--set", "name=lobby"]),
    ]);
    assert.match(mermaid.stdout, /^flowchart LR\n {2}n1\(\["file"\]\)\n/);
    assert.match(dot.stdout, /^digraph "lobby" \{\n/);
  });

  it("prints the same schema as in schema/", async () => {
    const { stdout } = await pipeline(["schema"]);
    const { properties } = JSON.parse(stdout) as { properties: Record<string, unknown> };
    assert.deepEqual(Object.keys(properties), [
      "version",
      "name",
      "purpose",
      "retention",
      "sources",
      "operators",
      "sinks",
    ]);
  });

  it("ends silently when the reader closes the pipe", async () => {
    const child = spawn(process.execPath, [MAIN, "schema"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    assert.equal(stderr, "");
    assert.equal(code, 0);
  });

  it("exits with 1 if doctor finds something essential missing", async () => {
    const { code, stdout } = await pipeline(["doctor"], {
      EKSPRESI_FFMPEG: join(folder, "none"),
      NATS_URL: "nats://127.0.0.1:1",
    });
    assert.equal(code, 1);
    assert.match(stdout, /^MISSING {2}ffmpeg: .*\n {9}-> install it \(apt install ffmpeg, /m);
  });

  it("writes no colours to a pipe unless told to", async () => {
    const nats = { NATS_URL: "nats://127.0.0.1:1" };
    const [plain, forced, none, log] = await Promise.all([
      pipeline(["doctor"], nats),
      pipeline(["doctor"], { ...nats, FORCE_COLOR: "1" }),
      pipeline(["doctor"], { ...nats, FORCE_COLOR: "1", NO_COLOR: "1" }),
      pipeline(["run", fine, "--quiet"], { FORCE_COLOR: "1" }),
    ]);
    const colour = String.fromCharCode(27);
    assert(!plain.stdout.includes(colour));
    assert(forced.stdout.includes(colour));
    assert(!none.stdout.includes(colour));
    assert(log.stderr.startsWith(`${colour}[31merror: `), log.stderr);
  });
});
