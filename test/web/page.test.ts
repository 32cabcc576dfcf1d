import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import type { EmotionEvent } from "#src/events/event.js";
import { coloursOf } from "#src/events/palette.js";
import type { SourceStats } from "#src/pipeline/context.js";
import { web } from "#src/sinks/web/index.js";
import { barriersIn } from "../support/axe.js";
import { Chrome } from "../support/chromium.js";
import { testContext } from "../support/context.js";
import { eventOf } from "../support/event.js";
import { faceAt, facesOf, frameOf } from "../support/frames.js";
import { RECORDING } from "../support/pictures.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const MODEL = { name: "m", version: "1", labels: ["happy", "sad"] };
const CHANCES = Float32Array.of(0.7, 0.3);
const TOKEN = "open sesame, sixteen";

interface Feed {
  token?: string;
  cameras?: string[];
  labels?: string[];
  fps?: number;
  listen?: string;
  /** The number of the first picture. */
  first?: number;
}

describe("the live page in Chromium", function () {
  this.timeout(240_000);
  const chrome = new Chrome();
  const running = new Set<ChildProcess>();
  const closing: (() => unknown)[] = [];
  before(async function () {
    await chrome.start(this);
  });
  after(() => chrome.stop());
  afterEach(async () => {
    await chrome.closePages();
    for (const close of closing.splice(0)) await close();
    for (const child of running) {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }
  });

  /** Starts a run with a page and returns the page's address. */
  async function run(at = "127.0.0.1:0") {
    const file = join(chrome.folder, "p.yaml");
    writeFileSync(
      file,
      `version: 1
name: lobby
sources:
  - { id: man, type: file, path: ${RECORDING}, loop: true }
operators:
  - { type: detect, minSize: 30%, every: 5 }
  - { type: track }
  - { type: classify }
  - { type: smooth }
  - { type: events, on: both, interval: 1ms }
sinks: [{ type: jsonl, path: ${join(chrome.folder, "events.jsonl")} }]
`,
    );
    rmSync(join(chrome.folder, "events.jsonl"), { force: true });
    const child = spawn(process.execPath, [MAIN, "run", file, "--web", at], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    running.add(child);
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.once("close", () => running.delete(child));
    while (!/web: http/.test(said) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const url = /web: (http:\S+)/.exec(said)?.[1];
    assert(url, said);
    return { child, url };
  }

  const isLive = (page: Page) => page.waitForSelector("#status[data-state=live]");
  const shownIn = (page: Page) =>
    page.locator("#cameras figure").first().getAttribute("data-frame").then(Number);
  /** Waits until pictures newer than now have arrived. */
  async function moves(page: Page): Promise<void> {
    const before = await page.locator("#cameras figure[data-frame]").first().getAttribute("data-frame");
    await page.waitForFunction(
      (frame) => document.querySelector<HTMLElement>("#cameras figure")?.dataset.frame !== frame,
      before,
    );
  }

  it("shows a face's box where the detector found it, its label, and a moving timeline", async () => {
    const { url } = await run();
    const { page, complaints } = await chrome.open(url);
    await isLive(page);
    assert.equal(await page.title(), "lobby · Ekspresi");
    await page.waitForSelector("#faces li b");
    await page.waitForSelector("#charts .row canvas");
    await moves(page);
    await page.keyboard.press("Space");
    await page.waitForSelector("#status[data-state=paused]");
    const frame = await shownIn(page);
    const events = readFileSync(join(chrome.folder, "events.jsonl"), "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as EmotionEvent);
    const seen = events.find(
      ({ data }) => data.frame === frame && data.kind === "sample" && data.track === 1,
    );
    assert(seen, `no event of frame ${frame}`);
    const { relativeBox: box, label } = seen.data;
    const [colour = ""] = coloursOf([label]);
    // The canvas has the label's colour in the middle of each side of the box, but not in its centre.
    const found = await page.evaluate(
      ({ box, wanted }) => {
        const canvas = document.querySelector("canvas");
        const context = canvas?.getContext("2d");
        if (!canvas || !context) return [];
        const differs = (x: number, y: number) => {
          const [r = 0, g = 0, b = 0] = context.getImageData(
            Math.round(x * canvas.width),
            Math.round(y * canvas.height),
            1,
            1,
          ).data;
          return Math.abs(r - wanted[0]) + Math.abs(g - wanted[1]) + Math.abs(b - wanted[2]);
        };
        const [middleX, middleY] = [box.x + box.width / 2, box.y + box.height / 2];
        return [
          differs(box.x, middleY),
          differs(box.x + box.width, middleY),
          differs(middleX, box.y + box.height),
          differs(middleX, middleY),
        ];
      },
      {
        box,
        wanted: [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as [
          number,
          number,
          number,
        ],
      },
    );
    assert(
      found.slice(0, 3).every((difference) => difference < 30),
      `${label} ${colour}: ${found}`,
    );
    assert((found[3] ?? 0) > 60, `${found}`);
    assert.match(
      (await page.locator("#faces li").first().textContent()) ?? "",
      /#1(happy|neutral|sad|angry|fear|surprise|disgust)/,
    );
    const picture = () =>
      page
        .locator("#charts canvas")
        .first()
        .evaluate((chart) => (chart as HTMLCanvasElement).toDataURL());
    const still = await picture();
    await page.keyboard.press("Space");
    await isLive(page);
    while ((await picture()) === still) await new Promise((resolve) => setTimeout(resolve, 50));
    // The rate is computed between two figures, which arrive once a second.
    await page.waitForFunction(
      () => Number.parseInt(document.querySelector("#figures dd")?.textContent || "0", 10) > 0,
    );
    await page.waitForSelector("#events li");
    assert.deepEqual(complaints, []);
  });

  it("reconnects by itself when the server was killed and restarts", async () => {
    const first = await run();
    const { page } = await chrome.open(first.url);
    await isLive(page);
    await moves(page);
    first.child.kill("SIGKILL");
    await page.waitForSelector("#status[data-state=reconnecting]");
    await run(new URL(first.url).host);
    await isLive(page);
    await moves(page);
    await page.waitForSelector("#faces li b");
  });

  /** A page without a real run: a face moves back and forth in front of each camera. */
  async function feed({
    token,
    cameras = ["man"],
    labels = MODEL.labels,
    fps = 12,
    listen = "127.0.0.1:0",
    first = 1,
  }: Feed = {}) {
    const { context, pool, logged } = testContext({ id: "web", slots: 2 });
    const [source] = context.stats.sources;
    const sources = cameras.map(
      (id) => ({ ...source, id, state: "running" as const, decoded: 0 }) as SourceStats,
    );
    const sink = await web.build(
      { listen, fps, ...(token !== undefined && { token }) },
      { ...context, stats: { ...context.stats, sources } },
    );
    let sequence = first - 1;
    const step = () => {
      sequence++;
      for (const [i, camera] of sources.entries()) {
        camera.decoded++;
        const x = 60 + 40 * Math.sin(sequence / 10 + i);
        const face = faceAt(x, 60, 40, {
          track: 1,
          label: sequence % 50 < 25 ? 0 : 1,
          model: { ...MODEL, labels },
          probabilities: CHANCES,
        });
        const item = facesOf(frameOf(pool, sequence, { source: camera.id, width: 160, height: 120 }), [face]);
        void sink.write(item);
        item.frame.release();
      }
      void sink.write(eventOf(sequence, { camera: cameras[0] ?? "", track: 1, label: labels[0] ?? "" }));
    };
    const timer = setInterval(step, 40);
    const end = async () => {
      clearInterval(timer);
      await sink.close(true);
    };
    closing.push(end);
    const url = /http:\S+/.exec(logged.join())?.[0] ?? "";
    const lose = () => {
      for (const source of sources) source.state = "reconnecting";
    };
    return { url, end, lose };
  }

  it("shows the pictures of the next run, whose numbers start over", async () => {
    const before = await feed({ first: 100_000 });
    const { page } = await chrome.open(before.url);
    await isLive(page);
    await moves(page);
    await before.end();
    await feed({ listen: new URL(before.url).host });
    await isLive(page);
    await moves(page);
    assert((await shownIn(page)) < 100_000);
  });

  it("keeps its content while paused, even if the connection is lost and restored", async () => {
    const line = await lineTo(new URL((await feed()).url));
    const { page } = await chrome.open(line.url);
    await isLive(page);
    await page.waitForSelector("#charts .row");
    await page.waitForSelector("#events li");
    await moves(page);
    await page.keyboard.press("Space");
    await page.waitForSelector("#status[data-state=paused]");
    const shown = () =>
      page.evaluate(() =>
        ["figure[data-frame]", "#charts .row", "#faces > li", "#events li"].map(
          (what) => document.querySelectorAll(what).length,
        ),
      );
    const frozen = await shown();
    const again = page.waitForEvent("websocket").then((socket) => socket.waitForEvent("framesent"));
    line.cut();
    await again; // the page has received hello
    assert.deepEqual(await shown(), frozen);
    await page.keyboard.press("Space");
    await isLive(page);
    await moves(page);
    await page.waitForSelector("#events li");
  });

  it("opens a single connection, even if the network returns while it signs in", async () => {
    const { url } = await feed();
    const { page } = await chrome.open(url);
    await isLive(page);
    let sockets = 0;
    page.on("websocket", () => sockets++);
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route("**/session", async (route) => {
      await released;
      await route.continue();
    });
    await page.reload();
    await page.evaluate(() => {
      dispatchEvent(new Event("online"));
      return new Promise((resolve) => setTimeout(resolve, 100));
    });
    release();
    await isLive(page);
    await moves(page);
    assert.equal(sockets, 1);
  });

  it("gets no pictures in a background tab until it is visible", async () => {
    const { url } = await feed();
    const { page } = await chrome.open(url);
    await page.addInitScript(() => {
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
    });
    let [texts, images] = [0, 0];
    page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => {
        if (typeof payload === "string") texts++;
        else images++;
      }),
    );
    await page.reload();
    while (texts < 20) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(images, 0);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: false });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await moves(page);
  });

  it("shows that a run has ended, and keeps its content", async () => {
    const { url, end } = await feed();
    const { page } = await chrome.open(url);
    await page.waitForSelector("#charts .row");
    await end();
    await page.waitForSelector("#status[data-state=ended]");
    assert(await page.locator("#charts .row").first().isVisible());
  });

  it("shows nobody in view of a disconnected camera, and tells screen readers", async () => {
    const { url, lose } = await feed();
    const { page } = await chrome.open(url);
    await page.waitForSelector("#faces > li");
    await page.waitForSelector("figure[data-state=running]");
    assert.equal(await page.locator("#news").textContent(), "");
    lose();
    await page.waitForSelector("figure[data-state=reconnecting]");
    assert.equal(await page.locator("#news").textContent(), "man: reconnecting");
    await page.waitForSelector("#faces[data-empty]");
    assert.equal(await page.locator("#faces > li").count(), 0);
  });

  it("serves ten pages at once", async () => {
    const { url } = await feed({ fps: 3 });
    const viewport = { width: 400, height: 300 };
    const pages = await Promise.all(Array.from({ length: 10 }, () => chrome.open(url, { viewport })));
    await Promise.all(pages.map(({ page }) => moves(page)));
    for (const { complaints } of pages) assert.deepEqual(complaints, []);
  });

  it("sends fewer pictures to a page on a slow connection, without slowing others", async () => {
    const { url } = await feed();
    const line = await lineTo(new URL(url));
    const slow = await chrome.open(line.url);
    const quick = await chrome.open(url);
    await Promise.all([slow, quick].map(({ page }) => moves(page)));
    line.limit(3 * 1024); // less than a browser can read even on a busy machine
    const [slowly, quickly] = [await pictures(slow.page), await pictures(quick.page)];
    while ((await quickly()) < 24) await new Promise((resolve) => setTimeout(resolve, 50));
    const [few, many] = [await slowly(), await quickly()];
    assert(few <= many / 2, `${few} pictures on the slow connection, ${many} on the other`);
    line.limit(Number.POSITIVE_INFINITY);
    await moves(slow.page);
  });

  it("asks for the token if there is one, rejects a wrong one, and removes the right one from the address", async () => {
    const { url } = await feed({ token: TOKEN });
    const typed = await chrome.open(url);
    const field = typed.page.getByLabel("Token", { exact: true });
    await field.waitFor();
    await typed.page.keyboard.press("Escape");
    await typed.page.keyboard.press("Escape");
    await field.fill("something else");
    await field.press("Enter");
    await typed.page.getByText("Wrong token.").waitFor();
    assert.equal(await typed.page.locator("#cameras figure").count(), 0);
    await field.fill(TOKEN);
    await field.press("Enter");
    await isLive(typed.page);
    await typed.page.reload();
    await isLive(typed.page); // thanks to the cookie

    const linked = await chrome.open(`${url}#token=${encodeURIComponent(TOKEN)}`);
    await isLive(linked.page);
    assert.equal(linked.page.url(), url);

    const pasted = await chrome.open(url);
    await pasted.page.getByLabel("Token", { exact: true }).waitFor();
    await pasted.page.evaluate((token) => {
      location.hash = `#token=${encodeURIComponent(token)}`;
    }, TOKEN);
    await isLive(pasted.page);
    assert.equal(pasted.page.url(), url);
  });

  it("accepts any token in the address, literal or escaped", async () => {
    const token = "a+b/c== & d, 100 % sure";
    const { url } = await feed({ token });
    for (const written of [token, encodeURIComponent(token)]) {
      const { page, complaints } = await chrome.open(`${url}#token=${written}`);
      await isLive(page);
      assert.deepEqual(complaints, [
        "Failed to load resource: the server responded with a status of 401 (Unauthorized)",
      ]);
    }
  });

  it("can be neither read nor framed by a page of another origin", async () => {
    const { url } = await feed();
    const other = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html");
      response.end(`<!doctype html><title>other</title><iframe src="${url}"></iframe>`);
    }).listen(0, "127.0.0.1");
    closing.push(() => other.close());
    await once(other, "listening");
    const { page } = await chrome.open(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
    const got = await page.evaluate(async (address) => {
      const read = await fetch(`${address}session`).then(
        () => "read",
        () => "refused",
      );
      const script = await new Promise<string>((resolve) => {
        const tag = document.createElement("script");
        tag.src = `${address}app.js`;
        tag.onload = () => resolve("loaded");
        tag.onerror = () => resolve("refused");
        document.head.append(tag);
      });
      const stream = await new Promise<string>((resolve) => {
        const socket = new WebSocket(`${address.replace("http", "ws")}stream`);
        socket.onmessage = () => resolve("heard");
        socket.onerror = () => resolve("refused");
      });
      return { read, script, stream };
    }, url);
    assert.deepEqual(got, { read: "refused", script: "refused", stream: "refused" });
    const [, frame] = page.frames();
    assert.equal(await frame?.locator("#status").count(), 0);
  });

  it("can be used with only the keyboard, in either theme, on a phone, with several cameras", async () => {
    const { url } = await feed({ cameras: ["man", "other"] });
    const { page, complaints } = await chrome.open(url, {
      viewport: { width: 360, height: 740 },
      colorScheme: "dark",
    });
    await isLive(page);
    await page.waitForSelector("#charts .row");
    assert.equal(await page.locator("#cameras figure").count(), 2);
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await background();
    await page.keyboard.press("t");
    assert.notEqual(await background(), dark);
    await page.keyboard.press("2");
    assert.equal(await page.locator("figure[data-large]").getAttribute("data-camera"), "other");
    await page.keyboard.press("0");
    assert.equal(await page.locator("figure[data-large]").count(), 0);
    await page.keyboard.press("w");
    assert.equal(await page.locator("#spans [aria-pressed=true]").textContent(), "5 min");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Help" }).waitFor();
    const names = (of: string) => page.locator(`${of} dt`).allTextContents();
    assert.deepEqual(await names("#meanings"), await names("#figures"));
    await page.keyboard.press("Escape");
    for (const name of ["Pause", "Dark theme", "Help", "Enlarge man", "5 min"])
      await page.getByRole("button", { name, exact: true }).waitFor();
    const timeline = page.getByRole("slider", { name: "#1 man, expressions over time", exact: true });
    assert.match((await timeline.getAttribute("aria-valuetext")) ?? "", /^now \w+ \d+ %$/);
    await timeline.press("End");
    assert.match((await timeline.getAttribute("aria-valuetext")) ?? "", /^at \d+:\d\d\.\d: happy 70 %/);
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Resume", exact: true }).waitFor();
    await page.keyboard.press("Space");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `${wide} px wider than the phone`);
    assert.deepEqual(complaints, []);
  });

  it("has no barrier that axe-core knows of, in either theme, with its dialog open or not", async () => {
    const { url } = await feed({ cameras: ["man", "other"] });
    for (const colorScheme of ["light", "dark"] as const) {
      const { page } = await chrome.open(url, { colorScheme });
      await page.waitForSelector("#charts .row");
      await page.waitForSelector("#events li");
      assert.deepEqual(await barriersIn(page), []);
      await page.keyboard.press("?");
      assert.deepEqual(await barriersIn(page), []);
    }
  });

  it("has no single-key shortcuts for those who turn them off", async () => {
    const { url } = await feed({ cameras: ["man", "other"] });
    const { page } = await chrome.open(url);
    await page.waitForSelector("#charts .row");
    await page.keyboard.press("?");
    await page.getByRole("checkbox", { name: "Use single-key shortcuts" }).uncheck();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    for (const key of ["t", "2", "w", "?", " "]) await page.keyboard.press(key);
    assert.equal(await page.locator("html").getAttribute("data-theme"), null);
    assert.equal(await page.locator("figure[data-large]").count(), 0);
    assert.equal(await page.locator("#spans [aria-pressed=true]").textContent(), "1 min");
    await page.reload();
    await page.waitForSelector("#charts .row");
    await page.keyboard.press("2");
    assert.equal(await page.locator("figure[data-large]").count(), 0, "forgotten by a reload");
    assert.equal(await page.locator("dialog[open]").count(), 0);
    await isLive(page);
  });

  it("keeps its colours and its signs in forced colours", async () => {
    const { url } = await feed();
    const { page } = await chrome.open(url, { forcedColors: "active" });
    await page.waitForSelector("#legend li");
    await page.waitForSelector("#faces .bars i");
    await page.waitForSelector("#events li");
    const found = await page.evaluate(() => {
      const ground = (what: string, pseudo?: string) => {
        const element = document.querySelector(what);
        return element && getComputedStyle(element, pseudo).backgroundColor;
      };
      return {
        coloured: [ground("#legend i"), ground(".bars i"), ground("#events b", "::before")],
        signs: [ground("#pause", "::before"), ground("#status", "::before")],
        canvas: ground("body"),
        pressed: ground("#spans [aria-pressed=true]"),
        other: ground("#spans [aria-pressed=false]"),
      };
    });
    const happy = "rgb(230, 159, 0)";
    assert.deepEqual(found.coloured, [happy, happy, happy]);
    for (const sign of found.signs) assert.notEqual(sign, found.canvas);
    assert.notEqual(found.pressed, found.other);
  });

  it("shows whole the names of cameras and the labels of events, on a phone too", async () => {
    const camera = "north entrance, second floor";
    const { url } = await feed({
      cameras: [camera, "other"],
      labels: ["mildly amused by the presentation", "sad"],
    });
    const { page } = await chrome.open(url);
    await page.waitForSelector("#events li");
    const cut = () =>
      page.evaluate(() =>
        [...document.querySelectorAll("#events li:first-child > *, figcaption b")]
          .filter((part) => {
            const list = part.closest("ol, figure")?.getBoundingClientRect();
            return (
              part.scrollWidth > part.clientWidth + 1 ||
              part.clientWidth === 0 ||
              part.getBoundingClientRect().right > (list?.right ?? 0)
            );
          })
          .map(({ textContent }) => textContent),
      );
    await page.keyboard.press("Space");
    assert.deepEqual(await cut(), []);
    await page.setViewportSize({ width: 360, height: 740 });
    assert.deepEqual(await cut(), []);
  });

  it("shows whole the long names of a model's classes beside their bars, and breaks no word", async () => {
    const labels = ["embarrassment", "awkwardness in company", "sad"];
    const { url } = await feed({ labels });
    const { page } = await chrome.open(url);
    await page.waitForSelector("#events li");
    await page.waitForSelector("#faces .bars");
    await page.keyboard.press("Space");
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 740 });
      const overlapping = await page.evaluate(() =>
        [...document.querySelectorAll(".bars li")]
          .filter((row) => {
            const [name, bar] = [...row.children];
            const text = document.createRange();
            if (!name || !bar) return true;
            text.selectNodeContents(name);
            return text.getBoundingClientRect().right > bar.getBoundingClientRect().left;
          })
          .map(({ textContent }) => textContent),
      );
      assert.deepEqual(overlapping, []);
      // The word fills one line.
      const lines = await page
        .locator("#events li b")
        .first()
        .evaluate((name) => {
          const text = document.createRange();
          text.selectNodeContents(name);
          return text.getClientRects().length;
        });
      assert.equal(lines, 1);
    }
  });

  it("breaks a word that has no room, and keeps it apart from what stands beside it", async () => {
    const word = "Donaudampfschifffahrtsgesellschaftskapitaen";
    const { url } = await feed({ labels: [word, "sad"] });
    const { page } = await chrome.open(url);
    await page.waitForSelector("#events li");
    await page.locator("#faces .head b", { hasText: word }).waitFor();
    await page.keyboard.press("Space");
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 740 });
      const found = await page.evaluate(() => {
        const text = (of: string) => {
          const range = document.createRange();
          range.selectNodeContents(document.querySelector(of) ?? document.body);
          return range.getBoundingClientRect();
        };
        return {
          tooWide: document.documentElement.scrollWidth - innerWidth,
          event: text("#events b").right - text("#events .detail").left,
          track: text("#events .who").right - text("#events b").left,
        };
      });
      assert(found.tooWide <= 0 && found.event <= 0 && found.track <= 0, JSON.stringify(found));
    }
  });

  it("keeps focus and the enlarged camera when it reconnects", async () => {
    const line = await lineTo(new URL((await feed({ cameras: ["man", "other"] })).url));
    const { page } = await chrome.open(line.url);
    await isLive(page);
    const button = page.getByRole("button", { name: "Enlarge other" });
    await button.press("Enter");
    const first = await button.elementHandle();
    line.cut();
    await page.waitForFunction((old) => !old?.isConnected, first);
    assert.equal(await page.locator("figure[data-large]").getAttribute("data-camera"), "other");
    assert(await button.evaluate((now) => now === document.activeElement));
  });

  it("leaves room for the events below a crowd, which scrolls", async () => {
    const { url } = await feed({ cameras: Array.from({ length: 9 }, (_, i) => `camera ${i}`) });
    const { page } = await chrome.open(url, { viewport: { width: 1280, height: 800 } });
    await page.waitForFunction(() => document.querySelectorAll("#faces > li").length === 9);
    const list = page.locator("#faces");
    const { height = 0 } = (await list.boundingBox()) ?? {};
    assert(height > 0 && height <= 480.5, String(height));
    await list.focus();
    await page.keyboard.press("Space"); // scrolls, like in any list; does not pause
    await page.waitForFunction(() => (document.querySelector("#faces")?.scrollTop ?? 0) > 0);
    await isLive(page);
  });

  it("keeps focus on the timeline of a face that leaves", async () => {
    const { url, lose } = await feed();
    const { page, complaints } = await chrome.open(url);
    const timeline = page.getByRole("slider");
    await timeline.focus();
    const first = await timeline.elementHandle();
    lose();
    await page.waitForFunction((old) => !old?.isConnected, first);
    assert(await timeline.evaluate((now) => now === document.activeElement));
    assert.deepEqual(complaints, []);
  });

  /** Counts the pictures a page shows from now on. */
  async function pictures(page: Page): Promise<() => Promise<number>> {
    await page.evaluate(() => {
      const figure = document.querySelector("#cameras figure");
      new MutationObserver(() => {
        document.body.dataset.shown = String(Number(document.body.dataset.shown ?? 0) + 1);
      }).observe(figure ?? document.body, { attributeFilter: ["data-frame"] });
    });
    return async () => Number((await page.locator("body").getAttribute("data-shown")) ?? 0);
  }

  /** The same page through a connection that can be throttled to a number of bytes per second. */
  async function lineTo(url: URL): Promise<{
    url: string;
    limit(bytesPerSecond: number): void;
    /** Closes all connections; new ones are possible. */
    cut(): void;
  }> {
    const sockets = new Set<Socket>();
    let rate = Number.POSITIVE_INFINITY;
    const proxy = createTcpServer((browser) => {
      const server = connect(Number(url.port), url.hostname);
      browser.pipe(server);
      server.on("data", (chunk) => {
        browser.write(chunk);
        if (!Number.isFinite(rate)) return;
        server.pause();
        setTimeout(() => server.resume(), (chunk.length / rate) * 1000);
      });
      server.on("end", () => browser.end());
      for (const socket of [browser, server]) {
        sockets.add(socket);
        socket.on("error", () => {});
      }
    }).listen(0, "127.0.0.1");
    const cut = () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    };
    closing.push(() => {
      cut();
      proxy.close();
    });
    await once(proxy, "listening");
    return {
      url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`,
      limit: (bytesPerSecond) => {
        rate = bytesPerSecond;
        for (const socket of sockets) socket.resume();
      },
      cut,
    };
  }
});
