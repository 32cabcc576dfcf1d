import assert from "node:assert/strict";
import { linkSync, mkdtempSync, rmSync, type Stats, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { identity } from "#src/pipeline/identity.js";
import { onMachine, withFiles } from "../support/machine.js";

describe("the identity of a file", () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    writeFileSync(at("1"), "");
    writeFileSync(at("2"), "");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("follows links, and is the path for a file that does not exist yet", () => {
    linkSync(at("1"), at("hard"));
    symlinkSync(at("1"), at("soft"));
    for (const name of ["hard", "soft"]) assert.equal(identity(at(name)), identity(at("1")), name);
    assert.notEqual(identity(at("1")), identity(at("2")));
    assert.equal(identity(relative(".", at("new"))), identity(at("new")));
  });

  it("ignores the case of a file that does not exist yet on Windows and macOS only", async () => {
    const alike = (platform: NodeJS.Platform) =>
      onMachine({ platform }, () => identity(at("new")) === identity(at("NEW")));
    assert.deepEqual(
      [await alike("win32"), await alike("darwin"), await alike("linux")],
      [true, true, false],
    );
  });

  it("uses all 64 bits of file ids on Windows", async () => {
    const numbered = (path: string, options?: { bigint?: boolean }) => {
      const info = statSync(folder, { bigint: true });
      const ino = 2n ** 60n + BigInt(basename(path));
      return Object.assign(info, {
        isFile: () => true,
        ino: options?.bigint ? ino : Number(ino),
      }) as unknown as Stats;
    };
    const real = statSync;
    const fake = ((path: string, options?: { bigint?: boolean }) =>
      path === folder ? real(path, options) : numbered(path, options)) as typeof statSync;
    await withFiles({ statSync: fake }, () => assert.notEqual(identity(at("1")), identity(at("2"))));
  });
});
