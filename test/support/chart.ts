import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const root = fileURLToPath(new URL("../../", import.meta.url));
const RENDERER = fileURLToPath(new URL("./render-chart.go", import.meta.url));
/** Where Debian keeps the sources of Go packages. */
const DEBIAN = { GO111MODULE: "off", GOPATH: "/usr/share/gocode" };

/** A Kubernetes object, as far as tests look into all of them alike. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly spec?: unknown;
}

/** Renders a chart with Go's own template engine; `close` when done. */
export class Chart {
  readonly #folder: string;
  readonly #chart: string;

  /** Skips the suite where Debian's Go and Sprig are not installed. */
  constructor(context: Mocha.Context, chart: string) {
    const sprig = existsSync(join(DEBIAN.GOPATH, "src/github.com/Masterminds/sprig"));
    if (!sprig || spawnSync("go", ["version"]).status !== 0) {
      console.log(
        "      skipped: Go and Sprig are not installed (apt install golang-go golang-github-masterminds-sprig-dev golang-github-ghodss-yaml-dev)",
      );
      context.skip();
    }
    this.#chart = chart;
    this.#folder = mkdtempSync(join(tmpdir(), "ekspresi-chart-"));
    execFileSync("go", ["build", "-o", join(this.#folder, "render"), RENDERER], {
      env: { ...process.env, ...DEBIAN },
      stdio: "pipe",
    });
  }

  /** Its objects for a release `demo` in the namespace `apps`. Throws the template's message where it fails. */
  render(values: object = {}): Manifest[] {
    return parseAllDocuments(this.#text(values)).flatMap((document) => {
      if (!("toJS" in document)) return [];
      const [error] = document.errors;
      if (error) throw error;
      return (document.toJS() as Manifest | null) ?? [];
    });
  }

  /** What `helm install` prints at its end. */
  notes(values: object = {}): string {
    return this.#text(values, "NOTES");
  }

  #text(values: object, ...more: string[]): string {
    const { status, stdout, stderr } = spawnSync(
      join(this.#folder, "render"),
      [this.#chart, "demo", "apps", ...more],
      { input: JSON.stringify(values), encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** Packages that have an API group's types. */
const TYPES: Record<string, string> = {
  "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
};

/**
 * What is wrong with objects by the API's own types: fields that it does not know, that are missing or of another type.
 * TypeScript's compiler finds it, for an object written out as it is may have no field that its type has not.
 */
export function typeErrors(manifests: readonly Manifest[]): string {
  const folder = mkdtempSync(join(tmpdir(), "ekspresi-manifests-"));
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const lines = manifests.map(({ apiVersion, kind, ...rest }, i) => {
      const from = TYPES[apiVersion] ?? `kubernetes-models/${apiVersion}`;
      const type = `import("${from}").I${kind}`;
      return `export const m${i}: ${type} = ${JSON.stringify({ apiVersion, kind, ...rest }, null, 1)};`;
    });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "manifests.ts"), lines.join("\n"));
    const options = "--noEmit --strict --skipLibCheck --module nodenext --target es2022 --types".split(" ");
    const { stdout } = spawnSync(
      process.execPath,
      [join(root, "node_modules/typescript/bin/tsc"), ...options, "", join(folder, "manifests.ts")],
      { encoding: "utf8", cwd: folder },
    );
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
