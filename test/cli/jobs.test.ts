import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Kvm } from "@nats-io/kv";
import { columnsOf } from "#src/columns.js";
import { connectNats } from "#src/nats/index.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

describe("pipeline submit and jobs", function () {
  this.timeout(120_000);
  let server: NatsServer;
  let folder: string;

  before(async function () {
    needsNatsServer(this);
    server = await NatsServer.start();
    folder = mkdtempSync(join(tmpdir(), "ekspresi-jobs-"));
    const operators = "operators: [{ type: detect }, { type: track }, { type: classify }, { type: events }]";
    const yaml = (source: string) =>
      `version: 1\nsources: [${source}]\n${operators}\nsinks: [{ type: console }]\n`;
    writeFileSync(join(folder, "lobby.yaml"), yaml('{ type: rtsp, url: "rtsp://none" }'));
    writeFileSync(join(folder, "rec.yaml"), yaml("{ type: file, path: none.mp4 }"));
  });
  after(async () => {
    await server?.remove();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  function pipeline(...args: string[]): Promise<{ code: number; out: string; said: string }> {
    const env = { ...process.env, NATS_URL: server.url, NO_COLOR: "1" };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [MAIN, ...args], { cwd: folder, env }, (_error, out, said) =>
        resolve({ code: child.exitCode ?? -1, out, said }),
      );
    });
  }
  const jobs = async () => JSON.parse((await pipeline("jobs", "--json")).out) as Record<string, unknown>[];

  it("keeps a camera in the queue until it is cancelled, without showing its password", async () => {
    assert.match((await pipeline("jobs")).out, /^no jobs; see `pipeline submit --help`/);
    const url = ["--url", "rtsp://ann:secret@10.0.0.7/1"];
    const sink = (fields: string) => ["--set", `sinks.0={ type: nats, user: ann${fields} }`];
    const login = [...sink(""), "--set", "sinks.0.password=secret", ...sink(', "password": secret')];
    const sent = await pipeline(
      "submit",
      "camera",
      "--pipeline",
      "lobby.yaml",
      "--id",
      "door",
      ...url,
      ...login,
    );
    assert.deepEqual(sent, { code: 0, out: "door\n", said: "" });
    const listed = await pipeline("jobs");
    assert.match(listed.out, /^ID\s+KIND\s+STATE\s+.*\ndoor\s+camera\s+queued\s+0\s+\d+ s\n$/);
    const json = await pipeline("jobs", "--json");
    assert(!json.out.includes("secret"), json.out);
    const twice = await pipeline("submit", "camera", "--pipeline", "lobby.yaml", "--id", "door");
    assert.equal(twice.code, 1);
    assert.equal(
      twice.said,
      "job door is queued; cancel it first (pipeline jobs cancel door) or choose another --id\n",
    );
    assert.equal((await pipeline("jobs", "cancel", "door")).code, 0);
    assert.deepEqual(
      (await jobs()).map(({ id, state, tries }) => [id, state, tries]),
      [["door", "cancelled", 0]],
    );
    assert.equal((await pipeline("jobs", "retry", "door")).code, 0);
    assert.deepEqual(
      (await jobs()).map(({ id, state }) => [id, state]),
      [["door", "queued"]],
    );
  });

  it("names a recording after its file, and removes it once it is cancelled", async () => {
    const sent = await pipeline("submit", "recording", "clips/Monday 1.mp4", "--pipeline", "rec.yaml");
    assert.deepEqual(sent, { code: 0, out: "Monday-1-mp4\n", said: "" });
    const early = await pipeline("jobs", "remove", "Monday-1-mp4");
    assert.deepEqual([early.code, early.said], [1, "job Monday-1-mp4 is queued; cancel it first\n"]);
    assert.equal((await pipeline("jobs", "cancel", "Monday-1-mp4")).code, 0);
    assert.equal((await pipeline("jobs", "remove", "Monday-1-mp4")).code, 0);
    assert((await jobs()).every(({ id }) => id !== "Monday-1-mp4"));
  });

  it("lists a job on one line, whatever its worker and reason contain", async () => {
    const nats = await connectNats({ url: server.url }, { name: "test" });
    const spec = { kind: "camera", file: "x.yaml", yaml: "", set: [] };
    const times = { submitted: "2026-01-01T00:00:00Z", since: "2026-01-01T00:00:00Z" };
    const reason = "\u001b]0;title\u0007no\nfile\r\u009b31m";
    const job = {
      id: "odd",
      spec,
      state: "failed",
      tries: 1,
      failures: 1,
      worker: "w\n\u001b[2J",
      reason,
      ...times,
    };
    const stored = await new Kvm(nats.connection).open("EKSPRESI_JOBS");
    await stored.put("odd", JSON.stringify(job));
    await stored.put("wide", JSON.stringify({ ...job, id: "wide", worker: "受付の機械" }));
    await nats.close();
    const lines = (await pipeline("jobs")).out.split("\n");
    const line = lines.find((text) => text.startsWith("odd"));
    const tries = ["odd", "wide"].map((id) => {
      const text = lines.find((other) => other.startsWith(id)) ?? "";
      return columnsOf(text.slice(0, text.search(/ 1 /)));
    });
    assert.equal(tries[0], tries[1]);
    assert.match(line ?? "", /no; file/);
    assert.doesNotMatch(line ?? "", /\p{Cc}/u);
    for (const id of ["odd", "wide"]) assert.equal((await pipeline("jobs", "remove", id)).code, 0);
  });

  it("reports mistakes in one line", async () => {
    const cases: [string[], number, RegExp][] = [
      [["jobs", "cancel", "nobody"], 1, /^job nobody not found; `pipeline jobs` lists all jobs\n$/],
      [["submit", "recording", "a.mp4", "--pipeline", "no.yaml"], 2, /^.*no\.yaml: .*\n$/],
      [
        ["submit", "recording", "a.mp4", "--pipeline", "rec.yaml", "--id", "a b"],
        2,
        /^job id "a b": only up to 64 letters, .*\n$/,
      ],
      [
        ["submit", "camera", "--pipeline", "rec.yaml", "--id", "door"],
        2,
        /is not a camera; use `pipeline submit recording`\n$/,
      ],
      [["worker", "--max-load", "150"], 2, /^--max-load 150: must be a percentage from 0 to 100\n$/],
      [["worker", "--ack-wait", "0s"], 2, /^--ack-wait 0s: must be at least 1s\n$/],
      [["worker", "--env", "NOT_SET_ANYWHERE"], 2, /^--env NOT_SET_ANYWHERE: variable not set; .*\n$/],
      [["worker", "--nats", "http://x"], 2, /^.*http:\/\/x.*\n$/],
      [["worker", "--inference", "--model", "no-such-model"], 2, /^model no-such-model: not found; .*\n$/],
      [["jobs", "--nats", "nats://127.0.0.1:1"], 1, /^nats:\/\/127\.0\.0\.1:1: .*\n$/],
    ];
    for (const [args, code, said] of cases) {
      const ran = await pipeline(...args);
      assert.match(ran.said, said);
      assert.deepEqual([ran.code, ran.out], [code, ""], `${args.join(" ")}: ${ran.said}`);
    }
  });
});
