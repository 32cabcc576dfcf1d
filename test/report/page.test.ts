import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { htmlOf } from "#src/report/html.js";
import { markdownOf } from "#src/report/markdown.js";
import type { Seen } from "#src/report/read.js";
import { Summary } from "#src/report/summary.js";
import { barriersIn } from "../support/axe.js";
import { Chrome } from "../support/chromium.js";
import { eventOf } from "../support/event.js";

const HEADING = { title: "Expression report", broken: 0 };
const HOSTILE = `"'><script>document.title="run"</script><img src=x onerror="document.title='run'">&amp;\``;

/** A face that is happy, then neutral, in front of each camera. */
function summaryOf(cameras: readonly string[], change: Partial<Seen["data"]> = {}): Summary {
  const summary = new Summary("media", ["lobby"]);
  const add = (mediaTimeMs: number, data: Partial<Seen["data"]>) =>
    summary.add({
      input: 0,
      timeMs: mediaTimeMs,
      data: { ...eventOf(1).data, mediaTimeMs, ...change, ...data },
    });
  for (const camera of cameras) {
    add(0, { camera, kind: "appeared" });
    add(6000, { camera, kind: "changed", label: "neutral" });
    add(8000, { camera, kind: "left", label: "neutral" });
  }
  return summary;
}

describe("the report", () => {
  it("shows what was seen, for how long, and what it may be used for", () => {
    const summary = summaryOf(["door"], { purpose: "a study", retention: "30d" });
    const html = htmlOf(summary, { ...HEADING, broken: 2 });
    for (const part of [
      "<h1>Expression report</h1>",
      "happy<b>75.0 %</b><span>6.0 s</span>",
      "neutral<b>25.0 %</b><span>2.0 s</span>",
      "<dd>a study</dd>",
      "<dd>30d</dd>",
      "<dd>m 1</dd>",
      "<b>2</b><span>lines skipped</span>",
      'title="happy to neutral: 1"',
      "#3, 0:00.0 to 0:08.0: 8.0 s in view; happy 75.0 %, neutral 25.0 %",
    ])
      assert(html.includes(part), part);
    assert.doesNotMatch(html, /<script|https?:|url\(|NaN|undefined/);
    const markdown = markdownOf(summary, HEADING);
    assert.match(markdown, /\| happy \| 6\.0 s \| 75\.0 % \|/);
    assert.match(markdown, /^\| happy \| {2}\| 1 \|$/m);
    assert.match(markdown, /Purpose: a study\./);
  });

  it("shows a limited number of events, tracks and cameras, and says so", () => {
    const summary = summaryOf(Array.from({ length: 120 }, (_, n) => `camera ${n}`));
    const html = htmlOf(summary, HEADING);
    assert.match(html, /Showing the first and last 100 of 360 events;/);
    assert.match(html, /Showing the 40 tracks that were longest in view, of 120;/);
    assert.match(html, /Showing the 12 busiest of 120 cameras\./);
    assert.equal(html.match(/<td class="at">/g)?.length, 200);
    assert.equal(html.match(/<figure>/g)?.length, 12);
  });

  it("counts faces if none was in view for any time, as in still images, and says so", () => {
    const summary = new Summary("media", ["photos"]);
    for (const [n, label] of ["neutral", "happy", "happy", "happy"].entries()) {
      const data = { ...eventOf(n).data, track: n + 1, kind: "sample" as const, label };
      summary.add({ input: 0, timeMs: n * 40, data });
    }
    const html = htmlOf(summary, HEADING);
    assert(html.includes("happy<b>75.0 %</b><span>3 faces</span>"));
    assert(html.includes("neutral<b>25.0 %</b><span>1 face</span>"));
    assert.match(html, /shares are of faces, not of time/);
    assert.doesNotMatch(html, /NaN|in view<|<svg/);
    const markdown = markdownOf(summary, HEADING);
    assert.match(markdown, /shares are of faces, not of time/);
    assert.match(markdown, /^\| expression \| faces \| share \|$/m);
    assert.match(markdown, /^\| happy \| 3 \| 75\.0 % \|$/m);
  });

  it("has no element or attribute injected by a name", () => {
    const tags = (html: string) => html.match(/<[^>]*>/g)?.map((tag) => tag.replace(/"[^"]*"/g, '""'));
    const harmless = tags(htmlOf(summaryOf(["a", "b"]), HEADING));
    const name = fc.oneof(fc.string({ unit: "binary" }), fc.constant(HOSTILE));
    fc.assert(
      fc.property(name, name, (camera, text) => {
        fc.pre(camera.length < 80 && camera.trim() !== "" && camera !== "b");
        const summary = summaryOf([camera, "b"], {
          purpose: text,
          retention: text,
          model: { name: text, version: "1" },
        });
        const plain = summaryOf(["a", "b"], {
          purpose: "p",
          retention: "p",
          model: { name: "n", version: "1" },
        });
        const title = { ...HEADING, title: text };
        const expected = text === "" ? undefined : tags(htmlOf(plain, HEADING));
        if (expected) assert.deepEqual(tags(htmlOf(summary, title)), expected);
        assert.doesNotMatch(markdownOf(summary, title), /[<>]/);
      }),
    );
    assert(harmless && harmless.length > 100);
  });

  it("is written for a single moment, and for times at the limits of the range", () => {
    for (const times of [[0], [-8.64e15, 8.64e15], [5, 6]])
      for (const clock of ["wall", "media"] as const) {
        const summary = new Summary(clock);
        for (const ms of times)
          summary.add({ input: 0, timeMs: ms, data: { ...eventOf(1).data, mediaTimeMs: ms } });
        const html = htmlOf(summary, HEADING);
        assert.doesNotMatch(html, /NaN|undefined|Infinity/);
        assert((html.match(/<div class="axis">(.*?)<\/div>/)?.[1]?.match(/<span/g)?.length ?? 0) <= 12);
      }
    assert.match(htmlOf(new Summary("wall"), HEADING), /There are no events/);
  });
});

describe("the report in Chromium", function () {
  this.timeout(60_000);
  const chrome = new Chrome();
  before(async function () {
    await chrome.start(this);
  });
  after(() => chrome.stop());

  it("opens without errors, runs no scripts, and fits a phone in either theme", async () => {
    const path = join(chrome.folder, "report.html");
    const summary = summaryOf([HOSTILE, "x".repeat(200)], { purpose: HOSTILE, retention: HOSTILE });
    writeFileSync(path, htmlOf(summary, { title: HOSTILE, broken: 1 }));
    const grounds = new Set<string>();
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await chrome.open(pathToFileURL(path).href, {
        viewport: { width: 360, height: 740 },
        colorScheme,
      });
      assert.equal(await page.title(), HOSTILE);
      assert.equal(await page.locator("script, img").count(), 0);
      for (const name of [
        "Share of each expression",
        "Cameras",
        "Tracks",
        "Changes",
        "Where faces were",
        "Events",
      ])
        await page.getByRole("heading", { name, exact: true }).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${wide} px wider than the phone`);
      const bars = await page.locator("svg.tall path[fill]").first().boundingBox();
      assert(bars && bars.width > 140 && bars.height > 50, JSON.stringify(bars));
      assert.deepEqual(await barriersIn(page), []);
      grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      assert.deepEqual(complaints, []);
    }
    assert.equal(grounds.size, 2);
  });

  it("shows many classes of one's own whole, on paper too, and one that was never seen legibly", async () => {
    const path = join(chrome.folder, "classes.html");
    const names = [
      "Donaudampfschifffahrtsgesellschaftskapitaen",
      ...Array.from("abcdefghijklmn", (n) => `class ${n}`),
    ];
    const probabilities = Object.fromEntries(names.map((name) => [name, 1 / names.length]));
    writeFileSync(path, htmlOf(summaryOf(["door"], { probabilities, label: names[0] ?? "" }), HEADING));
    const { page } = await chrome.open(pathToFileURL(path).href, { viewport: { width: 360, height: 740 } });
    assert.deepEqual(await barriersIn(page), []);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `${wide} px wider than the phone`);
    await page.emulateMedia({ media: "print" });
    await page.setViewportSize({ width: 704, height: 1030 }); // A4 with margins of 12 mm
    const hidden = await page
      .getByRole("region", { name: "Changes" })
      .evaluate((region) => region.scrollWidth - region.clientWidth);
    assert(hidden <= 0, `${hidden} px of the table are not on the sheet`);
  });

  it("keeps the colours of its legend in forced colours", async () => {
    const path = join(chrome.folder, "forced.html");
    writeFileSync(path, htmlOf(summaryOf(["door"]), HEADING));
    const { page } = await chrome.open(pathToFileURL(path).href, { forcedColors: "active" });
    const swatch = page.locator(".legend i").first();
    assert.equal(await swatch.evaluate((i) => getComputedStyle(i).backgroundColor), "rgb(230, 159, 0)");
  });
});
