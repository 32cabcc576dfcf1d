/** One line of Prometheus's text format. */
export interface ReadSample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Reads Prometheus's text format as its specification says; throws at what is not it. */
export function parseExposition(text: string): ReadSample[] {
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line has no end");
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      // A carriage return and the like are allowed in a label: `.` would stop there.
      const match = new RegExp(LINE, "s").exec(line);
      if (!match?.[1]) throw new Error(`not a sample: ${line}`);
      return { name: match[1], labels: labelsOf(match[2] ?? ""), value: numberOf(match[3] ?? "") };
    });
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const match = LABEL.exec(text);
    if (!match?.[1]) throw new Error(`not labels: ${text}`);
    labels[match[1]] = (match[2] ?? "").replace(/\\(["\\n])/g, (_, c: string) => (c === "n" ? "\n" : c));
  }
  return labels;
}

function numberOf(text: string): number {
  if (text === "+Inf" || text === "-Inf") return text === "+Inf" ? Infinity : -Infinity;
  return Number(text);
}
