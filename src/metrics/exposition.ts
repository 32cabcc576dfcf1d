/** One value of a family, with the labels that distinguish it from others. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Suffix of the family's name in histograms: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
}

/** A metric: its name, help text, and how it is read from `T`. */
export interface Family<T> {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  read(from: T): readonly Sample[];
}

/** Content type of the response. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Families in Prometheus's text format 0.0.4. Omits families without samples.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function exposition<T>(families: readonly Family<T>[], from: T): string {
  return families.map((family) => familyText(family, family.read(from))).join("");
}

function familyText<T>({ name, type, help }: Family<T>, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(
    ({ labels, value, suffix = "" }) => `${name}${suffix}${labelsText(labels)} ${numberText(value)}`,
  );
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`;
}

function labelsText(labels: Sample["labels"]): string {
  const parts = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`,
  );
  return parts.length > 0 ? `{${parts.join(",")}}` : "";
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}
