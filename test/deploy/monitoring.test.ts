import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { INFERENCE_FAMILIES } from "#src/inference/index.js";
import { PROCESS_FAMILIES, RUN_FAMILIES } from "#src/metrics/index.js";
import { WORKER_FAMILIES } from "#src/worker/index.js";

const deploy = (path: string) => fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url));
const text = (path: string) => readFileSync(deploy(path), "utf8");

/** Every series that our programs give, with its type. */
const SERIES = new Map(
  [...RUN_FAMILIES, ...PROCESS_FAMILIES, ...WORKER_FAMILIES, ...INFERENCE_FAMILIES].flatMap(
    ({ name, type }) =>
      (type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]).map(
        (suffix) => [name + suffix, type === "gauge" ? "gauge" : "counter"] as const,
      ),
  ),
);
/** Series that Prometheus itself adds. */
const OF_PROMETHEUS = new Set(["up"]);

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly query: unknown }[] };
}
interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: Record<string, string>;
      readonly annotations: Record<string, string>;
    }[];
  }[];
}

/** Names of series in a PromQL expression: what is neither a function, a label, a keyword nor a number. */
function seriesIn(expr: string): string[] {
  const bare = expr
    .replace(/\{[^}]*\}/g, "")
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, "")
    .replace(/\[[^\]]*\]/g, "");
  return [...bare.matchAll(/[a-z_][a-z0-9_]*(?!\s*\(|[a-z0-9_])/gi)]
    .map(([name]) => name)
    .filter((name) => !["sum", "max", "min", "avg", "count", "and", "or", "unless"].includes(name));
}

/** Throws where an expression asks for what nobody gives, or takes the rate of what is no counter. */
function checkExpression(where: string, expr: string): void {
  const names = seriesIn(expr);
  assert(names.length > 0, `${where}: ${expr}`);
  for (const name of names) {
    const type = OF_PROMETHEUS.has(name) ? "gauge" : SERIES.get(name);
    assert(type, `${where}: nothing gives \`${name}\``);
    const rated = new RegExp(`(rate|increase)\\(${name}(\\{[^}]*\\})?\\[`).test(expr);
    assert.equal(rated, type === "counter", `${where}: ${name} is a ${type}: ${expr}`);
  }
}

describe("what watches a deployment", () => {
  const { panels, templating } = JSON.parse(text("grafana/ekspresi.json")) as Dashboard;
  const rules = (parse(text("helm/ekspresi/alerts.yaml")) as Rules).groups.flatMap(({ rules }) => rules);

  it("finds the series of an expression", () => {
    const expr = `histogram_quantile(0.9, sum by (le, run) (rate(a_bucket{run=~"$run"}[5m]))) / on (x) b_total > 1`;
    assert.deepEqual(seriesIn(expr), ["a_bucket", "b_total"]);
    assert.throws(() => checkExpression("x", "sum(ekspresi_no_such_thing)"), /nothing gives/);
    assert.throws(() => checkExpression("x", "sum(ekspresi_faces_total)"), /is a counter/);
    assert.throws(() => checkExpression("x", "rate(ekspresi_source_up[1m])"), /is a gauge/);
  });

  it("asks only for metrics that there are, and for rates of counters", () => {
    for (const { title, targets } of panels) {
      assert(targets.length > 0, title);
      for (const { expr } of targets) checkExpression(`panel "${title}"`, expr);
    }
    for (const { alert, expr } of rules) checkExpression(`alert ${alert}`, expr);
    const queries = JSON.stringify(templating);
    const [, label = ""] = /label_values\((\w+), /.exec(queries) ?? [];
    assert(SERIES.has(label), label);
  });

  it("has every metric of ours on the dashboard or in an alert, but those that only inform", () => {
    const used = [...panels.flatMap(({ targets }) => targets), ...rules].flatMap(({ expr }) =>
      seriesIn(expr),
    );
    const unused = [...SERIES.keys()].filter(
      (name) => name.startsWith("ekspresi_") && !used.includes(name) && !/_(info|sum|count)$/.test(name),
    );
    assert.deepEqual(unused.sort(), [
      "ekspresi_engine_batches_total",
      "ekspresi_engine_busy_seconds_total",
      "ekspresi_frame_slots",
      "ekspresi_frame_slots_leased",
      "ekspresi_inference_batches_total",
      "ekspresi_sink_written_total",
      "ekspresi_source_duration_seconds",
      "ekspresi_source_media_time_seconds",
    ]);
  });

  it("no panel lies on another, and all are 24 columns wide at most", () => {
    for (const [i, a] of panels.entries()) {
      assert(a.gridPos.x + a.gridPos.w <= 24, a.title);
      for (const b of panels.slice(i + 1)) {
        const [p, q] = [a.gridPos, b.gridPos];
        const apart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
        assert(apart, `${a.title} and ${b.title}`);
      }
    }
  });

  it("every alert says how grave it is and what is wrong", () => {
    assert(rules.length >= 5);
    for (const { alert, labels, annotations } of rules) {
      assert.match(labels.severity ?? "", /^(warning|critical)$/, alert);
      assert.match(annotations.summary ?? "", /\.$/, alert);
    }
  });

  it("promtool finds nothing wrong with rules and configuration", function () {
    try {
      execFileSync("promtool", ["--version"], { stdio: "ignore" });
    } catch {
      console.log("      skipped: promtool is not installed (apt install prometheus)");
      this.skip();
    }
    // Side by side, as the containers have them.
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    for (const file of ["prometheus/prometheus.yml", "helm/ekspresi/alerts.yaml"])
      copyFileSync(deploy(file), join(folder, basename(file)));
    execFileSync("promtool", ["check", "config", join(folder, "prometheus.yml")], { stdio: "pipe" });
    rmSync(folder, { recursive: true });
  });
});
