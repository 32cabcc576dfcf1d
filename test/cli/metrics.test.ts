import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseExposition } from "../support/exposition.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PIPELINE = `version: 1
name: lobby
sources: [{ id: door, type: test, size: 160x120, fps: 10 }]
operators: [{ type: detect, minSize: 60% }, { type: track }, { type: classify }, { type: events }]
sinks: [{ type: console }]
`;

describe("pipeline run --metrics", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    writeFileSync(join(folder, "p.yaml"), PIPELINE);
  });
  after(() => rmSync(folder, { recursive: true }));

  function start(listen: string) {
    const args = [MAIN, "run", join(folder, "p.yaml"), "--json", "--metrics", listen];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = once(child, "close").then(([code]) => code as number | null);
    return { child, ended, said: () => stderr };
  }

  it("reports what it is waiting for, then readiness, counts frames, and ends with the run", async () => {
    const { child, ended, said } = start("0");
    const until = async <T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> => {
      for (;;) {
        const answer = await ask();
        if (answer !== undefined) return answer;
        assert.equal(child.exitCode, null, said());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const url = await until(() => /"url":"([^"]+)"/.exec(said())?.[1]);
    const first = await fetch(`${url}/readyz`);
    if (first.status === 503) assert.match(await first.text(), /^(starting|source door: opening)\n$/);
    await until(async () => (await fetch(`${url}/readyz`)).status === 200 || undefined);
    const frames = () =>
      fetch(`${url}/metrics`)
        .then((response) => response.text())
        .then((text) => parseExposition(text).find(({ name }) => name === "ekspresi_source_frames_total"));
    const { labels, value } = await until(frames);
    assert.deepEqual(labels, { run: "lobby", source: "door" });
    await until(async () => ((await frames())?.value ?? 0) > value || undefined);
    child.kill("SIGINT");
    assert.equal(await ended, 0, said());
  });

  it("rejects an invalid address as wrong usage", async () => {
    const wrong = start("lobby");
    assert.equal(await wrong.ended, 2);
    assert.match(wrong.said(), /--metrics lobby: must be \[host:\]port/);
  });
});
