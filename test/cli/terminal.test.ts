import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { fitting } from "#src/cli/terminal.js";
import { RECORDING } from "../support/pictures.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

describe("fitting", () => {
  it("returns the first form that fits, ignoring colours, else the last", () => {
    const red = "\u001b[31m12345678\u001b[39m";
    assert.equal(fitting(8, [red, "123"]), red);
    assert.equal(fitting(7, [red, "123"]), "123");
    assert.equal(fitting(2, [red, "123"]), "123");
    assert.equal(fitting(7, ["玄関の門", "123"]), "123", "four characters of two columns each");
  });
});

/** The lines that a terminal shows after this output, however far up they have moved. */
function screen(output: string): string[] {
  const lines: string[] = [""];
  let [row, column] = [0, 0];
  for (const [, csi, by = "", control, text = ""] of output.matchAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal is sent
    /(\u001b\[\??)([\d;]*)([A-Za-z])|([^\u001b]+)/g,
  )) {
    if (csi && control === "A") row = Math.max(0, row - Number(by || 1));
    if (csi && control === "G") column = Number(by || 1) - 1;
    if (csi && control === "K") lines[row] = by === "2" ? "" : (lines[row] ?? "").slice(0, column);
    if (csi && control === "J")
      lines.splice(row, Number.POSITIVE_INFINITY, (lines[row] ?? "").slice(0, column));
    for (const char of text) {
      if (char === "\r") column = 0;
      else if (char === "\n") lines[++row] ??= "";
      else {
        const line = (lines[row] ?? "").padEnd(column);
        lines[row] = line.slice(0, column) + char + line.slice(++column);
      }
    }
  }
  return lines;
}

describe("the status line of a run", function () {
  this.timeout(120_000);
  let folder: string;
  let file: string;
  before(function () {
    try {
      execFileSync("script", ["-qec", "true", "/dev/null"], { stdio: "ignore" });
    } catch {
      this.skip(); // util-linux's `script` gives a program a terminal
    }
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    file = join(folder, "p.yaml");
    writeFileSync(
      file,
      `version: 1
sources: [{ id: man, type: file, path: ${RECORDING}, from: 10s, to: 12s }]
operators: [{ type: detect, minSize: 20% }, { type: track }, { type: classify }, { type: events }]
sinks: [{ type: jsonl, path: e.jsonl }]
`,
    );
  });
  after(() => {
    if (folder) rmSync(folder, { recursive: true });
  });

  /** What a run writes to a terminal of the given width. */
  async function shown(columns: number, terminal = "xterm", args = `run '${file}'`): Promise<string[]> {
    return stripVTControlCharacters(await raw(columns, terminal, args)).split(/[\r\n]+/);
  }

  async function raw(columns: number, terminal: string, args: string): Promise<string> {
    const run = `stty cols ${columns} rows 24; TERM=${terminal} '${process.execPath}' '${MAIN}' ${args}`;
    const child = spawn("script", ["-qec", run, "/dev/null"], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0, text);
    return text;
  }

  it("shortens its bar on a narrow terminal, and relates progress to the selected part", async () => {
    for (const [columns, widths] of [
      [120, [24]],
      [48, [0, 12]],
      [30, [0]],
    ] as const) {
      const lines = (await shown(columns)).filter((line) => line.includes("/0:12"));
      assert.ok(lines.length > 0);
      for (const line of lines) {
        assert.ok(line.length <= columns, line);
        assert.ok(
          widths.some((width) => width === line.replace(/[^█░]/g, "").length),
          line,
        );
      }
    }
  });

  it("is omitted on a dumb terminal, as are colours", async () => {
    const text = await raw(80, "dumb", `run '${file}'`);
    assert.match(text, /man: 50 frames/);
    assert.equal(text, stripVTControlCharacters(text));
  });

  it("erases no events that are printed on the same terminal", async () => {
    const each = "operators.events.on=both --set operators.events.interval=0ms";
    const args = `run '${file}' --set ${each} --set 'sinks.0={ type: console }'`;
    const lines = screen(await raw(80, "xterm", args));
    const made = Number(/ (\d+) events, /.exec(lines.join("\n"))?.[1]);
    assert.ok(made > 40, lines.join("\n"));
    assert.equal(lines.filter((line) => / man #1 /.test(line)).length, made);
  });

  it("is omitted with --quiet, as is the summary", async () => {
    assert.equal(await raw(80, "xterm", `run '${file}' --quiet`), "");
  });

  it("does not affect help, whose paragraphs are wrapped between words", async () => {
    const paragraphs = (lines: readonly string[]) => lines.filter((line) => /^\S/.test(line));
    const wide = paragraphs(await shown(200, "xterm", "run --help"));
    const narrow = paragraphs(await shown(60, "xterm", "run --help"));
    assert.ok(wide.some((line) => line.length > 60));
    assert.ok(narrow.every((line) => line.length <= 60));
    assert.equal(narrow.join(" "), wide.join(" "));
  });

  it("does not affect text that is wrapped, not even if the terminal's width is unknown", async () => {
    assert.ok((await shown(0, "xterm", "doctor")).some((line) => /^The model can tell which of /.test(line)));
  });

  it("is omitted if the terminal's width is unknown", async () => {
    const lines = await shown(0);
    assert.deepEqual(
      lines.filter((line) => line.trim().length === 1),
      [],
    );
    assert.ok(lines.some((line) => line.startsWith("man: 50 frames")));
  });
});
