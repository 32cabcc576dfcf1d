import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix, relative, win32 } from "node:path";
import { filesOf, namedFiles, patternOf } from "#src/media/glob.js";
import { onMachine } from "../support/machine.js";

describe("a pattern of files", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    mkdirSync(join(folder, "g"));
    for (const name of ["a.mp4", "b.mp4", "c.txt", "g/d.mp4"]) writeFileSync(join(folder, name), "");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is found however its folder is written", async () => {
    const names = [join(folder, "a.mp4"), join(folder, "b.mp4")];
    for (const start of [folder, `${folder}/.`, `${folder}/g/..`, `${folder}/`])
      assert.deepEqual(await namedFiles(`${start}/*.mp4`), names, start);
    assert.deepEqual(await namedFiles(`${folder}/./**/d.mp4`), [join(folder, "g/d.mp4")]);
  });

  it("matches neither a slash nor a leading dot by a set, and files of all folders by a last `**`", async () => {
    const inner = join(folder, "sets");
    mkdirSync(join(inner, "p/q"), { recursive: true });
    for (const name of ["1.mp4", ".2.mp4", "p/3.mp4", "p/q/4.mp4", "p/.5.mp4"])
      writeFileSync(join(inner, name), "");
    const found = async (pattern: string) =>
      (await namedFiles(join(inner, pattern))).map((path) => relative(inner, path).replaceAll("\\", "/"));
    assert.deepEqual(await found("[!9]*.mp4"), ["1.mp4"]);
    assert.deepEqual(await found("**/p[!9]3.mp4"), []);
    assert.deepEqual(await found("**"), ["1.mp4", "p/3.mp4", "p/q/4.mp4"]);
    assert.deepEqual(await found("p/**"), ["p/3.mp4", "p/q/4.mp4"]);
  });

  it("that is invalid is reported in our own words", async () => {
    await assert.rejects(
      filesOf(join(folder, "[z-a].mp4")),
      /is not a valid pattern: check its brackets and braces$/,
    );
  });

  it("starts with a drive, a share or a folder, whichever slashes it is written with", () => {
    for (const [path, given, folder, deep] of [
      [win32, "C:\\*.mp4", "C:\\", false],
      [win32, "C:/rec/*.mp4", "C:\\rec", false],
      [win32, "\\*.mp4", "\\", false],
      [win32, "\\\\nas\\rec\\**\\*.mp4", "\\\\nas\\rec\\", true],
      [win32, "rec\\day*\\*.mp4", "rec", true],
      [win32, "*.mp4", ".", false],
      [posix, "/*.mp4", "/", false],
      [posix, "/rec/*.mp4", "/rec", false],
      [posix, "day*/*.mp4", ".", true],
    ] as const) {
      const found = patternOf(given, path);
      assert.deepEqual([found.folder, found.deep], [folder, deep], given);
    }
    assert.equal(patternOf("C:\\rec\\**\\*.mp4", win32).pattern, "C:/rec/**/*.mp4");
  });

  it("ignores case on Windows and macOS only", async () => {
    const named = (platform: NodeJS.Platform) =>
      onMachine({ platform }, () => namedFiles(join(folder, "[AB].MP4")));
    for (const platform of ["win32", "darwin"] as const)
      assert.deepEqual(await named(platform), [join(folder, "a.mp4"), join(folder, "b.mp4")], platform);
    assert.deepEqual(await named("linux"), []);
  });

  it("finds an accent however it is stored", async () => {
    const stored = join(folder, "cafe\u0301-1.mp4");
    writeFileSync(stored, "");
    assert.deepEqual(await namedFiles(join(folder, "caf\u00e9-*.mp4")), [stored]);
  });
});
