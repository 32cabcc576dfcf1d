import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { addressOf, BytePipe, theOneWith } from "#src/media/pipe.js";

/**
 * A child that writes `bytes` bytes, each the last digits of its position, and reports on stderr how many were taken.
 */
const WRITER = `
  const { writeSync } = require("node:fs");
  const bytes = Number(process.argv[1]);
  const chunk = Buffer.alloc(50000);
  for (let at = 0; at < bytes; ) {
    const count = Math.min(chunk.length, bytes - at);
    for (let i = 0; i < count; i++) chunk[i] = (at + i) % 251;
    at += writeSync(1, chunk, 0, count);
    writeSync(2, at + "\\n");
  }`;

function write(pipe: BytePipe, bytes: number) {
  const child = spawn(process.execPath, ["-e", WRITER, String(bytes)], {
    stdio: ["ignore", pipe.childEnd, "pipe"],
  });
  pipe.childEnd.destroy();
  return child;
}

describe("the pipe from a child process", () => {
  it("gives the child's bytes in the requested pieces, and then no more", async () => {
    const sizes = fc.array(fc.record({ size: fc.integer({ min: 0, max: 300_000 }), skipped: fc.boolean() }), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 0, max: 10 }), async (pieces, left) => {
        const pipe = await BytePipe.open();
        const child = write(pipe, pieces.reduce((sum, { size }) => sum + size, 0) + left);
        let at = 0;
        for (const { size, skipped } of pieces) {
          const target = new Uint8Array(new SharedArrayBuffer(size));
          assert.equal(await (skipped ? pipe.skip(size) : pipe.read(target)), true);
          if (!skipped) assert.ok(target.every((value, i) => value === (at + i) % 251));
          at += size;
        }
        assert.equal(await pipe.read(new Uint8Array(left + 1)), false);
        pipe.close();
        if (child.exitCode === null) await once(child, "exit");
      }),
      { numRuns: 10 },
    );
  });

  it("takes no more from the child than was requested and the system buffers", async () => {
    const pipe = await BytePipe.open();
    const child = write(pipe, 20_000_000);
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    assert.equal(await pipe.skip(1), true);
    // It is stuck once it has written nothing for a while.
    for (let before = -1; said.length !== before; ) {
      before = said.length;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    assert.ok(Number(said.trim().split("\n").at(-1)) < 2_000_000, said);
    pipe.close();
    await once(child, "exit");
  });

  it("goes only to the connection with the key; others are closed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-pipe-"));
    const server = createServer();
    const path = process.platform === "win32" ? `\\\\.\\pipe\\${basename(folder)}` : join(folder, "socket");
    server.listen(path);
    await once(server, "listening");
    try {
      const key = Buffer.from("0123456789abcdef");
      const found = theOneWith(key, server);
      const strangers = [connect(path), connect(path)];
      const gone = strangers.map((stranger) => once(stranger.resume(), "close"));
      strangers[0]?.write("fedcba9876543210");
      await Promise.all(strangers.map((stranger) => stranger.connecting && once(stranger, "connect")));
      const ours = connect(path);
      ours.write(key);
      const childEnd = await found;
      await Promise.all(gone);
      childEnd.end("pictures");
      const [said] = (await once(ours, "data")) as [Buffer];
      assert.equal(said.toString(), "pictures");
      ours.destroy();
    } finally {
      server.close();
      rmSync(folder, { recursive: true });
    }
  });

  it("has an address that the system accepts", () => {
    const name = `ekspresi-${"0".repeat(32)}`;
    const long = `/private/var/folders/${"x".repeat(60)}`;
    assert.equal(addressOf(name, "linux"), `\0${name}`);
    assert.equal(addressOf(name, "win32"), `\\\\.\\pipe\\${name}`);
    assert.equal(addressOf(name, "darwin", "/var/folders/a/T"), join("/var/folders/a/T", name));
    assert.equal(addressOf(name, "darwin", long), join("/tmp", name));
  });

  it("ends for a waiting reader when the child is killed", async () => {
    const pipe = await BytePipe.open();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], {
      stdio: ["ignore", pipe.childEnd, "ignore"],
    });
    pipe.childEnd.destroy();
    const reading = pipe.read(new Uint8Array(10));
    child.kill("SIGKILL");
    assert.equal(await reading, false);
    pipe.close();
  });
});
