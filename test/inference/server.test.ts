import assert from "node:assert/strict";
import { InferenceServer } from "#src/inference/server.js";
import type { Engine } from "#src/model/engine/index.js";
import { loadModel } from "#src/model/load.js";
import type { Nats } from "#src/nats/index.js";

describe("a subscription rejected by the server", () => {
  it("is not a request: it yields an error without a message", async () => {
    const callbacks: ((error: Error, message: unknown) => void)[] = [];
    const subscribe = (_: string, { callback }: { callback: (error: Error, message: unknown) => void }) => {
      callbacks.push(callback);
      return { unsubscribe: () => {} };
    };
    const nats = { connection: { subscribe } } as unknown as Nats;
    const engine: Engine = { provider: "none", run: () => assert.fail("it runs"), close: async () => {} };
    const server = new InferenceServer(nats, await loadModel("fer2013-small", "."), engine, "worker");
    assert.equal(callbacks.length, 3);
    for (const callback of callbacks) callback(new Error("permissions violation"), {});
    assert.equal(server.figures.requests, 0);
    await server.close();
  });
});
