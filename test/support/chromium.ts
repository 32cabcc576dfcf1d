import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** The one without windows first: it opens and draws pages at a third of the cost. */
const NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
];

/** A Chromium of this machine, or nothing where it has none. */
function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A page, and whatever it complained of or asked other machines for. */
export interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

/** Chromium for a suite: `before(chrome.start)`, `after(chrome.stop)`. Skips the suite where there is none. */
export class Chrome {
  /** For the suite's own files; gone when it stops. */
  folder = "";
  #browser: Browser | undefined;

  /** Skips what asks where no Chromium is installed. */
  async start(test: { skip(): void }): Promise<void> {
    const executablePath = findChromium();
    if (!executablePath) {
      console.log("      skipped: no Chromium on PATH (Debian: apt-get install chromium-headless-shell)");
      test.skip();
      return;
    }
    this.folder = mkdtempSync(join(tmpdir(), "ekspresi-chromium-"));
    this.#browser = await chromium.launch({ executablePath, args: FLAGS, downloadsPath: this.folder });
  }

  /** Closes the pages there are, so that one test's do not take the machine from the next. */
  async closePages(): Promise<void> {
    for (const context of this.#browser?.contexts() ?? []) await context.close();
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }

  /** A page of its own, without cookies of others. */
  async open(url: string, options: BrowserContextOptions = {}): Promise<Watched> {
    if (!this.#browser) throw new Error("Chromium was not started");
    const context = await this.#browser.newContext(options);
    context.setDefaultTimeout(120_000); // half a minute is short for ten pages on a busy machine
    // tsx names functions with a helper of its own, which those given to `page.evaluate` find nowhere else.
    await context.addInitScript("globalThis.__name = (named) => named");
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      const { hostname, protocol } = new URL(request.url());
      if (protocol.startsWith("http") && hostname !== "127.0.0.1")
        complaints.push(`asks for ${request.url()}`);
    });
    await page.goto(url);
    return { page, complaints };
  }
}
