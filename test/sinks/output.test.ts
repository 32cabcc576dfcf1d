import assert from "node:assert/strict";
import { openOutput } from "#src/sinks/output.js";

describe("standard output", () => {
  for (const code of ["EPIPE", "EOF"])
    it(`reports that the reader closed the pipe (${code}; EOF on Windows)`, () => {
      const output = openOutput("out");
      process.stdout.emit("error", Object.assign(new Error(`write ${code}`), { code }));
      assert.throws(
        () => output.write("x"),
        /^SinkError: out: the reader of standard output closed the pipe$/,
      );
      output.close();
    });

  it("has listeners only while a write is waiting", async () => {
    const { stdout } = process;
    const { write } = stdout;
    const counts = () => ["drain", "close", "error"].map((event) => stdout.listenerCount(event));
    const output = openOutput("out");
    const before = counts();
    try {
      for (let i = 0; i < 12; i++) {
        stdout.write = () => false;
        const writing = output.write("x");
        stdout.write = write;
        assert.ok(writing, "it is full");
        stdout.emit("drain");
        await writing;
      }
    } finally {
      stdout.write = write;
    }
    assert.deepEqual(counts(), before);
    output.close();
    openOutput("again").close();
    assert.ok(stdout.listenerCount("error") <= (before[2] ?? 0), "closing leaves one at most");
  });
});
