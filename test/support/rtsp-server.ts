import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { halt } from "./halt.js";

const SCRIPT = fileURLToPath(new URL("./rtsp-server.py", import.meta.url));
// Debian's own Python: GStreamer's bindings are not in any other.
const PYTHON = "/usr/bin/python3";
/** What `apt-get install` needs for it. */
const PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly";

export interface CameraOptions {
  readonly size?: string;
  readonly auth?: "basic" | "digest";
  readonly user?: string;
  readonly password?: string;
  /** A recording (H.264 in MP4) to stream instead of a pattern. */
  readonly recording?: string;
}

/** Why there can be no RTSP server here; undefined where there can. */
export function whyNoRtspServer(): string | undefined {
  try {
    const elements = ["x264enc", "rtph264pay"];
    execFileSync(
      PYTHON,
      [
        "-c",
        `import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ${JSON.stringify(elements)})`,
      ],
      { stdio: "ignore" },
    );
    return undefined;
  } catch {
    return `no GStreamer RTSP server here (apt-get install ${PACKAGES})`;
  }
}

/** A real RTSP server on a loopback port that can be hung, killed and started again. */
export class RtspServer {
  port = 0;
  #child: ChildProcess | undefined;

  /** Starts it, again on the same port after `kill`. Resolves once it answers. */
  async start(options: CameraOptions = {}): Promise<void> {
    const { size = "320x240", recording, ...access } = options;
    const [width, height] = size.split("x");
    const pattern = `videotestsrc is-live=true ! video/x-raw,width=${width},height=${height},framerate=25/1 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10`;
    const launch = `( ${recording ? `filesrc location=${recording} ! qtdemux` : pattern} ! rtph264pay name=pay0 pt=96 config-interval=1 )`;
    const child = spawn(PYTHON, [SCRIPT, JSON.stringify({ port: this.port, launch, ...access })], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child = child;
    const line = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
    if (!Buffer.isBuffer(line[0])) throw new Error("the RTSP server did not start");
    this.port = (JSON.parse(line[0].toString()) as { port: number }).port;
  }

  url(access = ""): string {
    return `rtsp://${access && `${access}@`}127.0.0.1:${this.port}/stream`;
  }

  /** Hangs it: connections stay open, and nothing comes any more. */
  hang(): void {
    halt(this.#child);
  }

  goOn(): void {
    this.#child?.kill("SIGCONT");
  }

  /** As a power cut: connections are torn, and nothing answers any more. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}
