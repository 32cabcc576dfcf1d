import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const SRC = fileURLToPath(new URL("../src/", import.meta.url));

/** Files that belong to no folder, and import none. */
const FREE = [
  "bytes.ts",
  "errors.ts",
  "colours.ts",
  "columns.ts",
  "cores.ts",
  "disk.ts",
  "text.ts",
  "timer.ts",
  "program.ts",
  "replace-file.ts",
  "listening.ts",
  "lock.ts",
];
/** What a folder may import from besides itself, the files of `FREE` and packages; types count like values. */
const MAY: Record<string, readonly string[]> = {
  events: [],
  media: [],
  haar: ["media"],
  model: ["media"],
  nats: ["pipeline", "media", "events"],
  doctor: ["media", "model", "nats"],
  pipeline: ["media", "events"],
  metrics: ["pipeline"],
  jobs: ["nats"],
  worker: ["pipeline", "media", "nats", "jobs", "metrics"],
  inference: ["nats", "model", "metrics"],
  sources: ["pipeline", "media"],
  operators: ["pipeline", "media", "haar", "model", "events", "nats", "inference"],
  sinks: ["pipeline", "media", "events", "nats"],
  report: ["events"],
  web: ["events"],
};
/** Single files that look further, each for one reason. */
const DOORS: Record<string, readonly string[]> = {
  // The loader is the one place of `pipeline` that knows which components there are.
  "pipeline/load.ts": ["registry.ts"],
  // The page speaks its server's language.
  "web/connection.ts": ["sinks/web/protocol.ts"],
  "web/main.ts": ["sinks/web/protocol.ts"],
  "web/state.ts": ["sinks/web/protocol.ts"],
  "web/cameras.ts": ["sinks/web/protocol.ts", "operators/annotate/layout.ts"],
  "web/events.ts": ["sinks/web/protocol.ts"],
};

/** Every source file with the project's files that it imports, relative to src. */
function imports(): { file: string; to: string }[] {
  const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts") && !/(^haar|crop)\/kernel\//.test(name));
  return files.flatMap((file) => {
    const text = readFileSync(join(SRC, file), "utf8");
    const found = text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)"(\.[^"]+)"/g);
    return [...found].map(([, path = ""]) => {
      const target = relative(SRC, join(SRC, dirname(file), path)).replaceAll("\\", "/");
      return { file, to: target.replace(/\.js$/, ".ts") };
    });
  });
}

/** Rows of the table in docs/architecture.md: folders, and the folders that its last column names. */
function described(): { folders: string[]; may: string[] }[] {
  const text = readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8");
  const names = (cell: string) => [...cell.matchAll(/`(?:src\/)?(\w+)`/g)].map(([, name = ""]) => name);
  return [...text.matchAll(/^\| (`src\/.*) \|.*\| (.*) \|$/gm)].map(([, folders = "", may = ""]) => ({
    folders: names(folders),
    may: names(may).sort(),
  }));
}

const folderOf = (file: string) => file.split("/")[0] ?? "";

describe("who may import whom", () => {
  const all = imports();

  it("finds imports at all", () => {
    assert(all.length > 100, String(all.length));
    assert(all.some(({ file, to }) => file === "operators/detect.ts" && to === "pipeline/component.ts"));
  });

  for (const [folder, may] of Object.entries(MAY))
    it(`${folder} imports ${may.join(", ") || "nothing"}`, () => {
      const wrong = all.filter(
        ({ file, to }) =>
          folderOf(file) === folder &&
          ![folder, ...FREE, ...may].includes(folderOf(to)) &&
          !DOORS[file]?.includes(to),
      );
      assert.deepEqual(wrong, []);
    });

  it("docs/architecture.md has each folder, and tells what it may import", () => {
    const folders = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const rows = described();
    assert.deepEqual(rows.flatMap((row) => row.folders).sort(), folders.map(({ name }) => name).sort());
    for (const {
      folders: [first = "", ...others],
      may,
    } of rows) {
      if (first === "cli") continue; // it may import everything
      const rules = [first, ...others].flatMap((folder) => MAY[folder] ?? []);
      assert.deepEqual(may, [...new Set(rules)].sort(), first);
    }
  });

  it("nothing imports the command line", () => {
    assert.deepEqual(
      all.filter(({ file, to }) => folderOf(to) === "cli" && folderOf(file) !== "cli"),
      [],
    );
  });

  it("components do not import one another across files that name components", () => {
    const wrong = all.filter(({ file, to }) => {
      const [a, b] = [folderOf(file), folderOf(to)];
      return (
        ["sources", "operators", "sinks"].includes(a) &&
        ["sources", "operators", "sinks"].includes(b) &&
        a !== b
      );
    });
    assert.deepEqual(wrong, []);
  });
});
