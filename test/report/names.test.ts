import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { namesOf } from "#src/report/names.js";

const named = (...paths: string[]) => namesOf(paths.map((path) => ({ name: path, from: path })));

describe("names of inputs", () => {
  it("are the file names without extensions", () => {
    assert.deepEqual(named("out/lobby.jsonl", "/tmp/hall.jsonl.gz", "a.b"), ["lobby", "hall", "a.b"]);
    assert.deepEqual(namesOf([{ name: "standard input", from: Readable.from([]) }]), ["standard input"]);
    assert.deepEqual(named(), []);
  });

  it("include as much of the path as distinguishes them", () => {
    assert.deepEqual(named("mon/door.jsonl", "tue/door.jsonl", "tue/hall.jsonl"), [
      "mon/door",
      "tue/door",
      "hall",
    ]);
    assert.deepEqual(named("/a/mon/door.jsonl", "/b/mon/door.jsonl", "/b/tue/door.jsonl"), [
      "a/mon/door",
      "b/mon/door",
      "tue/door",
    ]);
    assert.deepEqual(named("out/door.jsonl", "out/door.jsonl.gz"), ["out/door.jsonl", "out/door.jsonl.gz"]);
  });
});
