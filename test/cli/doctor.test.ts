import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkOptional } from "#src/doctor/engines.js";
import { examine } from "#src/doctor/index.js";
import { checkCameras, checkNode, parseDevices } from "#src/doctor/machine.js";
import { checkNats } from "#src/doctor/nats.js";

describe("doctor", () => {
  it("reports every part, and how to get each missing one", async () => {
    const checks = await examine();
    const names = checks.map(({ name }) => name);
    for (const name of [
      "node",
      "ffmpeg",
      "onnxruntime",
      "tfjs",
      "opencv",
      "gpu",
      "cameras",
      "nats",
      "folder",
    ])
      assert(names.includes(name), name);
    assert(
      names.some((name) => name.startsWith("model")),
      "models",
    );
    for (const { name, state, detail, help } of checks) {
      assert(detail.length > 0 && !detail.includes("\n"), name);
      if (state === "missing") assert(help, name);
    }
  });

  it("requires Node 20.19", () => {
    assert.equal(checkNode("20.18.9").state, "missing");
    assert.equal(checkNode("20.19.0").state, "ok");
    assert.equal(checkNode("18.20.0").state, "missing");
    assert.equal(checkNode("24.1.0").state, "ok");
  });

  it("finds optional packages without loading them", () => {
    assert.equal(checkOptional("x", ["no-such-package-here", "yaml"], "get it").detail, "yaml is installed");
    assert.equal(checkOptional("x", ["no-such-package-here"], "get it").help, "get it");
  });

  it("lists only cameras that this user may open, and no nodes of metadata", async function () {
    if (process.platform !== "linux") this.skip(); // elsewhere ffmpeg lists them
    const root = mkdtempSync(join(tmpdir(), "ekspresi-"));
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    const devices = join(root, "dev");
    try {
      mkdirSync(devices);
      symlinkSync(join(devices, "nothing"), join(devices, "video0")); // what not even root may open
      assert.equal((await checkCameras(root)).state, "missing");
      for (const node of [10, 2, 1]) write(`dev/video${node}`, "");
      const found = [1, 2, 10].map((node) => join(devices, `video${node}`));
      assert.equal((await checkCameras(root)).detail, found.join(", "));
      rmSync(join(devices, "video10"));
      for (const [node, can] of [
        [1, ":capture:"],
        [2, ":"],
      ] as const) {
        write(`dev/video${node}`, "");
        write(`sys/class/video4linux/video${node}/dev`, `81:${node}\n`);
        write(`sys/class/video4linux/video${node}/name`, "Integrated Camera\n");
        write(
          `run/udev/data/c81:${node}`,
          `I:5\nE:ID_V4L_VERSION=2\nE:ID_V4L_CAPABILITIES=${can}\nG:uaccess\n`,
        );
      }
      assert.equal((await checkCameras(root)).detail, `${join(devices, "video1")} (Integrated Camera)`);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it("reads ffmpeg's lists of cameras", () => {
    const mac = `[AVFoundation indev @ 0x7f] AVFoundation video devices:
[AVFoundation indev @ 0x7f] [0] FaceTime HD Camera
[AVFoundation indev @ 0x7f] [1] Capture screen 0
[AVFoundation indev @ 0x7f] AVFoundation audio devices:
[AVFoundation indev @ 0x7f] [0] MacBook Microphone
`;
    assert.deepEqual(parseDevices(mac, "avfoundation"), ["0 (FaceTime HD Camera)", "1 (Capture screen 0)"]);
    const windows = `[dshow @ 01] "Integrated Camera" (video)
[dshow @ 01]   Alternative name "@device_pnp_\\\\?\\usb#vid"
[dshow @ 01] "Microphone (Realtek)" (audio)
`;
    assert.deepEqual(parseDevices(windows, "dshow"), ["Integrated Camera"]);
  });
});

describe("doctor's look at NATS", () => {
  async function served(
    greet: (socket: Socket) => void,
    look: (url: string) => Promise<void>,
  ): Promise<void> {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      greet(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      await look(`nats://me:hunter2@127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.close();
    }
  }

  it("reads the server's greeting, and shows no login", () =>
    served(
      (socket) => socket.write('INFO {"version":"2.10.1","jetstream":true}\r\n'),
      async (url) => {
        const { state, detail } = await checkNats(url);
        assert.equal(state, "ok");
        assert.match(detail, /^server 2\.10\.1 at nats:\/\/127\.0\.0\.1:\d+, JetStream on$/);
      },
    ));

  it("knows what is not NATS", () =>
    served(
      (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
      async (url) => assert.match((await checkNats(url)).detail, /the server that answers is not NATS/),
    ));

  it("does not wait forever", () =>
    served(
      () => undefined,
      async (url) => assert.match((await checkNats(url, 50)).detail, /no answer within 50 ms/),
    ));

  it("treats a wrong address like a missing server", async () => {
    assert.equal((await checkNats("nats://")).state, "missing");
    assert.equal((await checkNats("http://[")).state, "missing");
  });
});
