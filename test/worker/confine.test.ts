import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parsePipeline } from "#src/pipeline/load.js";
import { confine } from "#src/worker/confine.js";

describe("a job's pipeline", () => {
  let root: string;
  let folder: string;
  before(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "ekspresi-confine-")));
    folder = join(root, "work");
    for (const name of ["work", "given", "others"]) mkdirSync(join(root, name));
    symlinkSync(join(root, "others"), join(folder, "link"));
    symlinkSync("../others/missing.jsonl", join(folder, "dangling"));
    symlinkSync("missing.jsonl", join(folder, "own"));
    symlinkSync("loop", join(folder, "loop"));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  /** Why a job with this source and sink is rejected, if it is. */
  function refusal(source: object, sink: object = { type: "console" }): string | undefined {
    const operators = ["detect", "track", "classify", "events"].map((type) =>
      type === "events" ? { type, on: "change" } : { type },
    );
    const text = JSON.stringify({ version: 1, sources: [source], operators, sinks: [sink] });
    const plan = parsePipeline(text, folder, { env: {} });
    try {
      confine(plan, { folder, read: [join(root, "given")], env: {} });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
  const file = (path: string) => ({ type: "file", path });

  it("may read in its folder and in the given ones, with links resolved", () => {
    for (const path of ["a.mp4", "../given/a.mp4", "https://camera/a.mp4", "https://camera/a.m3u8"])
      assert.equal(refusal(file(path)), undefined, path);
    for (const path of ["../others/a.mp4", "link/a.mp4", "/etc/passwd", "file:///etc/passwd"])
      assert.match(refusal(file(path)) ?? "", /may only/, path);
    assert.equal(refusal({ type: "images", path: "." }), undefined);
  });

  it("may not use the worker's standard streams, camera or ports", () => {
    const given = file("a.mp4");
    for (const [source, sink, wanted] of [
      [file("-"), undefined, /`-` is not available in a job; give a file/],
      [given, { type: "jsonl", path: "-" }, /`-` is not available in a job; give a file/],
      [{ type: "webcam", device: "0" }, undefined, /cannot use its worker's own camera/],
      [given, { type: "web" }, /cannot open a port on its worker/],
    ] as const)
      assert.match(refusal(source, sink) ?? "", wanted);
  });

  it("may not open other URLs, nor write to any, and is told so without passwords", () => {
    const other = refusal(file("ftp://user:geheim@camera/a.mp4")) ?? "";
    assert.match(
      other,
      /ftp:\/\/user:\*\*\*@camera\/a\.mp4: a job's sources may only open rtsp, rtsps, http/,
    );
    const sink = { type: "jsonl", path: "https://camera/a.jsonl" };
    assert.match(refusal(file("a.mp4"), sink) ?? "", /a job's sources may only open/);
  });

  it("may not read playlists, which can refer to any file", () => {
    for (const type of ["file", "test"])
      for (const path of ["a.m3u8", "a.MPD", "../given/a.ffconcat"])
        assert.match(refusal({ type, path }) ?? "", /a playlist refers to other files/, path);
  });

  it("may only write to its folder, while a sink's login may be read wherever sources are", () => {
    const nats = { type: "nats", stream: { name: "EMOTION" } };
    const given = join(root, "given");
    assert.equal(refusal(file("a.mp4"), { type: "jsonl", path: "a.jsonl" }), undefined);
    assert.equal(refusal(file("a.mp4"), { ...nats, creds: join(given, "u.creds") }), undefined);
    assert.equal(refusal(file("a.mp4"), { ...nats, tls: { ca: join(given, "ca.pem") } }), undefined);
    for (const path of ["own", "loop"])
      assert.equal(refusal(file("a.mp4"), { type: "jsonl", path }), undefined, path);
    for (const path of ["link/a.jsonl", "dangling"])
      assert.match(refusal(file("a.mp4"), { type: "jsonl", path }) ?? "", /may only write to/, path);
    assert.match(
      refusal(file("a.mp4"), { type: "jsonl", path: join(given, "a.jsonl") }) ?? "",
      /may only write to/,
    );
    assert.match(
      refusal(file("a.mp4"), { ...nats, spool: { path: join(given, "s") } }) ?? "",
      /may only write to/,
    );
    assert.match(
      refusal(file("a.mp4"), { ...nats, creds: join(root, "others/u.creds") }) ?? "",
      /may only read from/,
    );
  });
});
