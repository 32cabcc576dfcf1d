import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { Viewer } from "#src/sinks/web/viewer.js";

const MIB = 2 ** 20;
/** More than the system buffers for a page that reads nothing, and above any limit here. */
const MOST = 64;

describe("a page on a congested connection", () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0).reverse()) close();
  });

  /** A viewer of a page that asks for pictures and then stops reading. */
  async function stuck() {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    closing.push(() => server.close());
    await once(server, "listening");
    const page = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    closing.push(() => page.terminate());
    const [socket] = (await once(server, "connection")) as [WebSocket];
    let gone = false;
    const viewer = new Viewer(socket, () => {
      gone = true;
    });
    const heard = once(socket, "message");
    if (page.readyState !== WebSocket.OPEN) await once(page, "open");
    page.send(JSON.stringify({ type: "watch", pictures: true }));
    await heard;
    page.pause();
    return { viewer, gone: () => gone };
  }

  it("gets no more pictures, but stays connected", async () => {
    const { viewer, gone } = await stuck();
    // Each from another camera, so that none waits for one to be drawn.
    let camera = 0;
    while (camera < MOST && viewer.ready(camera)) {
      viewer.show(camera++, new Uint8Array(MIB));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert(camera < MOST, "it is taken to be ready whatever waits for it");
    viewer.show(camera, new Uint8Array(1));
    assert.equal(viewer.missed, 1);
    assert(!gone());
  });

  it("is disconnected if it does not read messages either", async () => {
    const { viewer, gone } = await stuck();
    const text = "x".repeat(MIB);
    for (let i = 0; i < MOST && !gone(); i++) {
      viewer.tell(text);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert(gone());
  });
});
