import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type InferenceFigures, InferenceServer, openRemoteEngine } from "#src/inference/index.js";
import { subjectsOf } from "#src/inference/protocol.js";
import { type Engine, openEngine } from "#src/model/engine/index.js";
import { loadModel, type Model } from "#src/model/load.js";
import { connectNats, type Nats } from "#src/nats/index.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";
import { TINY_SIZE, writeTinyModel } from "../support/tiny-model.js";
import { together } from "../support/together.js";
import { until } from "../support/worker-process.js";

const PIXELS = TINY_SIZE * TINY_SIZE;

describe("inference over NATS", function () {
  this.timeout(60_000);
  let model: Model;
  let local: Engine;

  before(async function () {
    needsNatsServer(this);
    const folder = await mkdtemp(join(tmpdir(), "ekspresi-inference-"));
    model = await loadModel(await writeTinyModel(folder), "/");
    local = await openEngine(model);
  });
  after(async () => {
    await local?.close();
    if (model) await rm(model.folder, { recursive: true, force: true });
  });

  /** A server of its own, whose workers and askers are closed with it. */
  async function openSite(config = "") {
    const server = await NatsServer.start({ jetstream: false, config });
    const closing: (() => Promise<void>)[] = [];
    const said: string[] = [];
    return {
      server,
      closing,
      said,

      /** An inference worker with its own connection, and a function that kills it. */
      async startWorker(name: string, engine: Engine = local) {
        const nats: Nats = await connectNats({ url: server.url }, { name });
        const inference = new InferenceServer(nats, model, engine, name);
        await nats.connection.flush();
        closing.push(async () => {
          await nats.close();
        });
        return { figures: inference.figures, inference, vanish: () => nats.connection.close() };
      },

      async startAsker({ timeoutMs = 5000, withLocal = true, url = server.url } = {}) {
        const log = {
          warn: (m: string) => said.push(`warn ${m}`),
          info: (m: string) => said.push(`info ${m}`),
        };
        // A real engine, so that its results equal this machine's; the suite closes it.
        const openLocal = async (): Promise<Engine> => ({
          provider: "here",
          run: (crops, n) => local.run(crops, n),
          close: async () => {},
        });
        const asker = await openRemoteEngine(model, {
          nats: { url },
          timeoutMs,
          log,
          ...(withLocal && { openLocal }),
        });
        closing.push(() => asker.close());
        return asker;
      },

      async close(): Promise<void> {
        for (const close of closing.reverse()) await close();
        await server.remove();
      },
    };
  }
  const it = together(8, openSite);

  const crops = (n: number) =>
    Float32Array.from({ length: n * PIXELS }, (_, i) => Math.sin(i * 12.9898) * 0.99);
  /** An engine that has started a batch and never finishes it. */
  const stuck = (): Engine => ({
    provider: "stuck",
    run: () => new Promise(() => {}),
    close: async () => {},
  });
  /** An engine whose first batch ends only once it is released. */
  const slow = () => {
    const sizes: number[] = [];
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const engine: Engine = {
      provider: "slow",
      close: async () => {},
      run: async (given, n) => {
        sizes.push(n);
        if (sizes.length === 1) await released;
        return local.run(given, n);
      },
    };
    return { engine, sizes, release };
  };
  const near = (a: Float32Array, b: Float32Array) => {
    assert.equal(a.length, b.length);
    for (const [i, value] of a.entries())
      assert(Math.abs(value - (b[i] ?? 9)) <= 1e-6, `${i}: ${value}, ${b[i]}`);
  };

  it("returns the same as this machine's engine to 1e-6, and reports which worker answered", async ({
    said,
    startAsker,
    startWorker,
  }) => {
    const { figures } = await startWorker("gpu-1");
    const asker = await startAsker({ withLocal: false });
    for (const n of [1, 7, 32]) near(await asker.run(crops(n), n), await local.run(crops(n), n));
    assert.equal(asker.provider, "nats gpu-1 (onnx cpu)");
    assert.deepEqual([figures.requests, figures.faces, figures.refused], [3, 40, 0]);
    assert.deepEqual(said, []);
  });

  it("copies the crops before it returns, so that the caller may change them", async ({
    startAsker,
    startWorker,
  }) => {
    await startWorker("gpu-1");
    const asker = await startAsker({ withLocal: false });
    const given = crops(3);
    const asked = asker.run(given, 3);
    given.fill(0);
    near(await asked, await local.run(crops(3), 3));
  });

  it(
    "splits a batch larger than the server's maximum message",
    async ({ startAsker, startWorker }) => {
      const { figures } = await startWorker("gpu-1");
      const asker = await startAsker({ withLocal: false });
      const n = 600; // 150 KB
      near(await asker.run(crops(n), n), await local.run(crops(n), n));
      assert(figures.requests > 2, String(figures.requests));
    },
    "max_payload: 65536",
  );

  it("asks another worker if one does not answer", async ({ startAsker, startWorker }) => {
    const [bad, good] = [await startWorker("bad", stuck()), await startWorker("good")];
    const asker = await startAsker({ timeoutMs: 400, withLocal: false });
    // The server picks members of the group at random: repeat until the bad one was picked.
    await until("the bad one is asked", async () => {
      near(await asker.run(crops(2), 2), await local.run(crops(2), 2));
      return bad.figures.requests > 0;
    });
    assert.equal(asker.provider, "nats good (onnx cpu)");
    assert.equal(good.figures.refused, 0);
  });

  it("asks one worker even if several have the same name, which may be any", async ({
    closing,
    server,
    startAsker,
    startWorker,
  }) => {
    const workers = [await startWorker("my gpu *"), await startWorker("my gpu *")];
    const asker = await startAsker({ withLocal: false });
    await asker.run(crops(1), 1);
    assert.equal(asker.provider, "nats my gpu * (onnx cpu)");
    const { connection } = await connectNats({ url: server.url }, { name: "test" });
    closing.push(() => connection.close());
    const { who, one } = subjectsOf(model);
    const id = (await connection.request(who)).string();
    const requests = () => workers.map(({ figures }) => figures.requests);
    const [first = 0, second = 0] = requests();
    await connection.request(one(id), new Uint8Array(4 * PIXELS));
    await connection.flush();
    assert.equal(
      requests().reduce((a, b) => a + b),
      first + second + 1,
    );
  });

  it("does the work itself if nobody answers, says so once, and returns to the workers when one is available", async ({
    said,
    startAsker,
    startWorker,
  }) => {
    const asker = await startAsker();
    near(await asker.run(crops(2), 2), await local.run(crops(2), 2));
    near(await asker.run(crops(2), 2), await local.run(crops(2), 2));
    assert.equal(asker.provider, "here (instead of nats)");
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /^warn model tiny: .*; running it on this machine until a worker answers$/);
    const { figures } = await startWorker("gpu-1");
    await until("the worker is asked", async () => {
      await asker.run(crops(1), 1);
      return figures.requests > 0;
    });
    assert.deepEqual(said.slice(1), ["info model tiny: workers are answering again"]);
  });

  it("loses no face if a worker disappears midway", async ({ startAsker, startWorker }) => {
    const worker = await startWorker("gpu-1");
    const asker = await startAsker({ timeoutMs: 500 });
    await asker.run(crops(1), 1);
    await worker.vanish();
    near(await asker.run(crops(5), 5), await local.run(crops(5), 5));
  });

  it("holds up no batch when it asks a server that hangs whether workers are back", async ({
    server,
    startAsker,
    startWorker,
  }) => {
    const { figures } = await startWorker("gpu-1");
    const asker = await startAsker({ timeoutMs: 1000 });
    await asker.run(crops(1), 1);
    server.pause();
    await asker.run(crops(1), 1);
    let longestMs = 0;
    for (const begin = performance.now(); performance.now() - begin < 7000; ) {
      const askedMs = performance.now();
      await asker.run(crops(1), 1);
      longestMs = Math.max(longestMs, performance.now() - askedMs);
      await sleep(10);
    }
    assert(longestMs < 900, `${longestMs} ms`);
    server.resume();
    const before = figures.requests;
    await until("the worker is asked again", async () => {
      await asker.run(crops(1), 1);
      return figures.requests > before + 1; // the first is that which was given up
    });
  });

  it("starts without a server if it may do the work itself, and fails otherwise", async ({ startAsker }) => {
    const nowhere = "nats://127.0.0.1:1";
    const asker = await startAsker({ url: nowhere });
    near(await asker.run(crops(2), 2), await local.run(crops(2), 2));
    await assert.rejects(startAsker({ url: nowhere, withLocal: false }), { name: "NatsError" });
  });

  it(
    "closes this machine's engine even if a server that is back rejects it at that moment",
    async ({ server }) => {
      await server.stop();
      let closed = false;
      const openLocal = async (): Promise<Engine> => ({
        provider: "here",
        run: (given, n) => local.run(given, n),
        close: async () => {
          closed = true;
        },
      });
      const log = { warn: () => {}, info: () => {} };
      const asker = await openRemoteEngine(model, {
        nats: { url: server.url },
        timeoutMs: 500,
        openLocal,
        log,
      });
      near(await asker.run(crops(1), 1), await local.run(crops(1), 1));
      await server.restart();
      await sleep(5100); // until it asks again
      const asked = asker.run(crops(1), 1).catch(() => {});
      await asker.close();
      await asked;
      assert.ok(closed);
    },
    "authorization { user: a, password: b }",
  );

  it("says what to do if there is no fallback", async ({ startAsker }) => {
    const asker = await startAsker({ withLocal: false });
    await assert.rejects(asker.run(crops(1), 1), {
      name: "OperatorError",
      message: /^model tiny: no worker available \(.*\); start `pipeline worker --inference`$/,
    });
  });

  it("collects requests that arrive during a batch into the next one", async ({
    startAsker,
    startWorker,
  }) => {
    const { engine, sizes, release } = slow();
    const { figures } = await startWorker("gpu-1", engine);
    const asker = await startAsker({ withLocal: false });
    const answers = [1, 2, 3, 4].map((n) => asker.run(crops(n), n));
    await until("all have arrived", () => figures.requests === 4);
    release();
    for (const [i, answer] of (await Promise.all(answers)).entries())
      near(answer, await local.run(crops(i + 1), i + 1));
    assert.deepEqual(sizes, [1, 9]);
    assert.equal(figures.waiting, 0);
  });

  it("answers the requests in a batch that are not at fault if the batch fails", async ({
    closing,
    server,
    startAsker,
    startWorker,
  }) => {
    const { engine, sizes, release } = slow();
    const { figures } = await startWorker("gpu-1", engine);
    const asker = await startAsker({ withLocal: false });
    const answers = [1, 2, 3].map((n) => asker.run(crops(n), n));
    await until("all have arrived", () => figures.requests === 3);
    const nats = await connectNats({ url: server.url }, { name: "test" });
    closing.push(() => nats.close());
    const nans = new Uint8Array(new Float32Array(PIXELS).fill(Number.NaN).buffer);
    const damaged = nats.connection.request(subjectsOf(model).any, nans, { timeout: 5000 });
    await until("the damaged one has arrived", () => figures.requests === 4);
    release();
    for (const [i, answer] of (await Promise.all(answers)).entries())
      near(answer, await local.run(crops(i + 1), i + 1));
    assert.match((await damaged).headers?.get("Ekspresi-Error") ?? "", /not finite/);
    assert.deepEqual(sizes, [1, 6, 2, 3, 1]);
    assert.deepEqual([figures.requests, figures.faces, figures.refused, figures.waiting], [4, 6, 1, 0]);
  });

  it("answers damaged requests with an error, and continues", async ({
    closing,
    server,
    startAsker,
    startWorker,
  }) => {
    const { figures } = await startWorker("gpu-1");
    const nats = await connectNats({ url: server.url }, { name: "test" });
    closing.push(() => nats.close());
    for (const bytes of [0, 3, PIXELS * 4 + 4]) {
      const answer = await nats.connection.request(subjectsOf(model).any, new Uint8Array(bytes));
      assert.equal(
        answer.headers?.get("Ekspresi-Error"),
        `${bytes} bytes are not a whole number of 8x8 crops`,
      );
    }
    const nans = new Uint8Array(new Float32Array(PIXELS).fill(Number.NaN).buffer);
    const answer = await nats.connection.request(subjectsOf(model).any, nans, { timeout: 5000 });
    assert.match(answer.headers?.get("Ekspresi-Error") ?? "", /not finite/);
    near(await (await startAsker()).run(crops(1), 1), await local.run(crops(1), 1));
    const { requests, refused }: InferenceFigures = figures;
    assert.deepEqual([requests, refused], [5, 4]);
  });
});
