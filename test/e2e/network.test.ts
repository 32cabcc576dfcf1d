import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { EmotionEvent } from "#src/events/event.js";
import { compareStored, publisherProgram } from "../support/nats-faults.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";
import { storedMessages } from "../support/nats-stream.js";
import { Network, needsNetwork } from "../support/network.js";
import { RECORDING } from "../support/pictures.js";
import type { PublisherOptions } from "../support/publisher.js";
import { together } from "../support/together.js";
import { CAMERA, eventTimes, until, WorkerProcess } from "../support/worker-process.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** The server stands in the middle; pipeline and workers each behind a cable of their own. */
async function openSite(name: string) {
  const folder = mkdtempSync(join(tmpdir(), "ekspresi-network-"));
  const network = new Network(name, ["pipeline", "a", "b"]);
  const closeNetwork = () => {
    network.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const server = await NatsServer.start({ at: network.at("middle"), host: "0.0.0.0" }).catch((error) => {
    closeNetwork();
    throw error;
  });
  const workers: WorkerProcess[] = [];
  const urlFor = (peer: string) => `nats://${network.middleOf(peer)}:${server.port}`;
  return {
    folder,
    network,
    server,
    workers,
    urlFor,

    /** A program of ours at a peer. */
    run(peer: string, args: readonly string[]) {
      const [command, ...before] = network.at(peer);
      const child = spawn(command, [...before, process.execPath, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const running = { said: "", ended: once(child, "close").then(([code]) => code as number | null) };
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => {
          running.said += chunk.toString();
        });
      return running;
    },

    startWorker(name: string, flags: readonly string[] = []): WorkerProcess {
      const own = join(folder, name);
      mkdirSync(own);
      copyFileSync(RECORDING, join(own, "face.mp4"));
      const worker = new WorkerProcess(name, urlFor(name), own, flags, network.at(name));
      workers.push(worker);
      return worker;
    },

    async close(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.kill()));
      await server.remove();
      closeNetwork();
    },
  };
}

describe("over a network that is cut and slow", function () {
  this.timeout(300_000);
  before(function () {
    needsNatsServer(this);
    needsNetwork(this);
  });
  let sites = 0;
  const it = together(3, () => openSite(`net${sites++}`));

  it("a pipeline's events wait out a cut, then pass a slow line: none lost, doubled or out of order, and no frame waits", async (site) => {
    const { folder, network, run, server, urlFor } = site;
    const program = await publisherProgram(folder);
    const taken = join(folder, "taken");
    const takes = () => (existsSync(taken) ? Number(readFileSync(taken, "utf8")) : 0);
    const options: PublisherOptions = {
      url: urlFor("pipeline"),
      spool: join(folder, "spool"),
      duplicateWindow: 600_000,
      from: 0,
      to: 2000,
      tracks: 3,
      taken,
      burst: 10,
      pauseMs: 50,
    };
    network.slow("pipeline", 1000);
    let publisher = run("pipeline", [program, JSON.stringify(options)]);
    await until("it publishes", () => takes() > 100);
    network.cut("pipeline");
    const atCut = takes();
    await sleep(7000); // longer than the sink waits for acknowledgements
    assert(takes() > atCut + 100, "it goes on meanwhile");
    network.mend("pipeline");
    // What it could not send in time at its end the next run sends.
    for (let code = await publisher.ended; code !== 0; code = await publisher.ended) {
      assert.match(publisher.said, /^nats: \d+ events not sent /);
      publisher = run("pipeline", [program, JSON.stringify({ ...options, from: takes() })]);
    }
    await server.bringHere();
    const messages = await storedMessages(server.port, "EMOTION");
    assert.deepEqual(compareStored(messages, 2000), { stored: 2000, lost: 0, doubled: 0, misplaced: 0 });
  });

  it("a camera of a worker that is cut off is watched by another; the one that is back leaves it alone", async (site) => {
    const { folder, network, run, startWorker, urlFor, workers } = site;
    const yaml = join(folder, "lobby.yaml");
    writeFileSync(yaml, CAMERA.yaml);
    const times = (worker: WorkerProcess) => eventTimes(worker, "door");
    const a = startWorker("a");
    const submitted = run("pipeline", [
      MAIN,
      ..."submit camera --id door --no-check --pipeline".split(" "),
      yaml,
      "--nats",
      urlFor("pipeline"),
    ]);
    assert.equal(await submitted.ended, 0, submitted.said);
    const said = () => workers.map((worker) => worker.said).join("\n--\n");
    await until(said, () => times(a).length > 0);
    const b = startWorker("b");
    await until(said, () => b.said.includes("jobs may write"));
    network.slow("b", 200);
    network.cut("a");
    await until(said, () => times(b).length > 0);
    const last = times(a).at(-1) ?? 0;
    assert((times(b)[0] ?? 0) > last, "never both at once");
    network.mend("a");
    await until(said, () => a.said.includes("door: lost"));
    const seen = times(b).length;
    await until(said, () => times(b).length > seen + 2);
    assert.equal(times(a).at(-1), last);
  });

  it("continues a recording with the local model when the connection to remote inference is cut", async (site) => {
    const { folder, network, run, startWorker, urlFor } = site;
    const at = (engine: string, out: string) => {
      const yaml = join(folder, `${out}.yaml`);
      writeFileSync(
        yaml,
        `version: 1
sources: [{ type: file, path: "${RECORDING}", to: 20s }]
operators:
  - { type: sample, fps: 10 }
  - { type: detect, minSize: 25%, workers: 1 }
  - { type: track }
  - { type: classify, threads: 1, precision: float32${engine} }
  - { type: events, on: sample, interval: 100ms }
sinks: [{ type: jsonl, path: ${out}.jsonl }]
`,
      );
      return [MAIN, "run", yaml];
    };
    const labels = (out: string) =>
      readFileSync(join(folder, `${out}.jsonl`), "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as EmotionEvent).data.label);
    const alone = run("pipeline", at("", "alone"));
    assert.equal(await alone.ended, 0, alone.said);
    const a = startWorker("a", ["--inference"]);
    await until(
      () => a.said,
      () => a.said.includes("running fer2013-small"),
    );
    const remote = run("pipeline", at(`, engine: nats, nats: { url: "${urlFor("pipeline")}" }`, "remote"));
    await until(
      () => remote.said,
      () => existsSync(join(folder, "remote.jsonl")) && labels("remote").length > 3,
    );
    network.cut("a");
    assert.equal(await remote.ended, 0, remote.said);
    assert.match(remote.said, /warn.*classify|classify.*runs here/);
    assert.deepEqual(labels("remote"), labels("alone"));
  });
});
