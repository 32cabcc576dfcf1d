import { ConfigError } from "../../errors.js";
import { Random } from "../data/random.js";
import { MOST_RUNS, type Settings, type SweepDefinition, type SweepStep } from "./definition.js";

/** One training run of a sweep. */
export interface PlannedRun {
  /** Also the name of its folder. */
  readonly id: string;
  /** All values that it changes in the recipe. */
  readonly settings: Settings;
}

/** The runs of one step of a one-factor sweep, given what the earlier steps settled. */
export function stepRuns(number: number, { vary, values }: SweepStep, settled: Settings): PlannedRun[] {
  const slugs = values.map((value) => slug(`${vary}-${String(value)}`));
  // Values may differ only in ways that a folder name does not show: a minus sign, case, or characters past its length.
  const isClear = new Set(slugs).size === slugs.length;
  return values.map((value, i) => ({
    id: `${number + 1}-${isClear ? "" : `${i + 1}-`}${slugs[i]}`,
    settings: { ...settled, [vary]: value },
  }));
}

/**
 * The steps of a one-factor sweep. Throws `ConfigError` if there are none, if one tries a value twice, or if options of
 * the other methods are set.
 */
export function stepsOf({ name, steps, halving, parameters }: SweepDefinition): readonly SweepStep[] {
  if (!steps) throw new ConfigError("SWEEP", `sweep ${name}: \`one-factor\` needs \`steps\``);
  if (parameters)
    throw new ConfigError("SWEEP", `sweep ${name}: \`parameters\` is for \`grid\` and \`random\`; remove it`);
  if (halving)
    throw new ConfigError("SWEEP", `sweep ${name}: \`halving\` is for \`grid\` and \`random\`; remove it`);
  for (const { vary, values } of steps) refuseTwice(name, vary, values);
  return steps;
}

/** The runs of a grid or random sweep; the same definition gives the same runs. Throws `ConfigError`. */
export function combinations(definition: SweepDefinition): PlannedRun[] {
  const { name, method, parameters, steps, set = {} } = definition;
  if (!parameters || Object.keys(parameters).length === 0)
    throw new ConfigError("SWEEP", `sweep ${name}: \`${method}\` needs \`parameters\``);
  if (steps) throw new ConfigError("SWEEP", `sweep ${name}: \`steps\` is for \`one-factor\`; remove it`);
  const all = method === "grid" ? grid(name, parameters) : draws(definition, parameters);
  return all.map((own, i) => ({
    id: `${String(i + 1).padStart(String(all.length).length, "0")}-${slug(Object.values(own).join("-"))}`,
    settings: { ...set, ...own },
  }));
}

type Parameters = NonNullable<SweepDefinition["parameters"]>;
type Values = SweepStep["values"];

function grid(name: string, parameters: Parameters): Settings[] {
  const lists = Object.entries(parameters).map(([key, values]): [string, Values] => {
    if (!Array.isArray(values))
      throw new ConfigError(
        "SWEEP",
        `sweep ${name}: \`grid\` needs a list of values for \`${key}\`, not a range`,
      );
    refuseTwice(name, key, values);
    return [key, values];
  });
  const size = lists.reduce((product, [, values]) => product * values.length, 1);
  if (size > MOST_RUNS)
    throw new ConfigError(
      "SWEEP",
      `sweep ${name}: its grid has ${size} combinations, more than ${MOST_RUNS}; remove some values, or draw combinations at random (\`method: random\`)`,
    );
  return lists.reduce<Settings[]>(
    (combined, [key, values]) =>
      combined.flatMap((settings) => values.map((value) => ({ ...settings, [key]: value }))),
    [{}],
  );
}

function refuseTwice(name: string, key: string, values: Values): void {
  const texts = values.map((value) => JSON.stringify(value));
  const twice = texts.find((text, i) => texts.indexOf(text) < i);
  if (twice !== undefined)
    throw new ConfigError("SWEEP", `sweep ${name}: \`${key}\` lists ${twice} twice; list each value once`);
}

function draws({ name, runs = 20, seed = 1 }: SweepDefinition, parameters: Parameters): Settings[] {
  return Array.from({ length: runs }, (_, run) => {
    const random = new Random(seed, run);
    return Object.fromEntries(
      Object.entries(parameters).map(([key, values]) => {
        if (Array.isArray(values)) return [key, values[random.below(values.length)] ?? 0];
        const { from, to, log = false } = values;
        if (from >= to || (log && from <= 0))
          throw new ConfigError(
            "SWEEP",
            `sweep ${name}: \`${key}\` ranges from ${from} to ${to}; \`from\` must be less than \`to\`, and above 0 with \`log\``,
          );
        const value = log ? from * (to / from) ** random.next() : from + (to - from) * random.next();
        return [key, Number(value.toPrecision(4))];
      }),
    );
  });
}

/** Text as a folder name. */
function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 60);
}
