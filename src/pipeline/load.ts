import { basename, dirname, resolve } from "node:path";
import { registry as everything } from "../registry.js";
import type { Arrival, Component } from "./component.js";
import { identity } from "./identity.js";
import { hint, nearest } from "./nearest.js";
import { type FolderAt, readOptions, show } from "./options.js";
import type { Plan, PlannedNode } from "./plan.js";
import { type Entry, planGraph } from "./planner.js";
import { applySetting, isWithin, withSettings } from "./settings.js";
import { substitute, type Variables } from "./variables.js";
import {
  type Problem,
  parseYaml,
  placeText,
  problemsError,
  readYaml,
  type YamlFile,
  type YamlPath,
} from "./yaml.js";

/** Options of `loadPipeline` and `parsePipeline`. */
export interface LoadOptions {
  /** `a.b=value` settings that override the file. */
  readonly set?: readonly string[];
  /** Base of relative paths in `set` and `add`. Default: the same as in the file. */
  readonly setDir?: string;
  /** Components to add to those in the file. */
  readonly add?: readonly Added[];
  /** Values of `${NAME}` variables. Default: the process's environment. */
  readonly env?: Variables;
  /** Name of the text given to `parsePipeline`, for places in messages. */
  readonly name?: string;
  /** The available components. */
  readonly registry?: readonly Component[];
}

export interface Added {
  readonly section: "operators" | "sinks";
  readonly type: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** If the file already has one of this type: `set` the options on it, `keep` it as it is, or add one `more`. */
  readonly present: "set" | "keep" | "more";
  /** Where it was requested, for messages, e.g. `--web`. */
  readonly place: string;
}

/** Reads and checks a pipeline file. Throws one `ConfigError` that lists every mistake, one per line. */
export async function loadPipeline(file: string, options: LoadOptions = {}): Promise<Plan> {
  return checkPipeline(await readYaml(file), resolve(dirname(file)), options);
}

/** Like `loadPipeline`, but takes the text. Paths in it are relative to `baseDir`. */
export function parsePipeline(text: string, baseDir: string, options: LoadOptions = {}): Plan {
  return checkPipeline(parseYaml(text, options.name ?? "<pipeline>"), baseDir, options);
}

const KEYS = ["version", "name", "purpose", "retention", "sources", "operators", "sinks"];
const SECTIONS = { sources: "source", operators: "operator", sinks: "sink" } as const;
type Section = keyof typeof SECTIONS;
const TEXTS = ["name", "purpose", "retention"] as const;

function checkPipeline(file: YamlFile, baseDir: string, options: LoadOptions): Plan {
  const problems: Problem[] = [];
  const root = structuredClone(file.value);
  if (!isMapping(root))
    throw problemsError([
      {
        place: file.place([]),
        message: `a pipeline file must be a mapping with sources, operators and sinks, not ${show(root)}`,
      },
    ]);
  const { setDir = baseDir } = options;
  const settings: { place: string; path: YamlPath; folder?: string }[] = (options.set ?? []).map(
    (setting) => ({
      place: `--set ${setting.slice(0, setting.indexOf("="))}`,
      path: applySetting(root, setting),
      folder: setDir,
    }),
  );
  for (const added of options.add ?? []) settings.push({ ...add(root, added), folder: setDir });
  const yaml = withSettings(file, settings);
  const value = substitute(yaml, root, options.env ?? process.env, problems) as Record<string, unknown>;
  for (const key of TEXTS) if (typeof root[key] === "string") value[key] = String(value[key]); // a variable's `12`
  checkHead(yaml, value, problems);
  const folderAt: FolderAt = (path) =>
    settings.findLast((given) => isWithin(path, given.path))?.folder ?? baseDir;
  const checker = new Checker(yaml, folderAt, options.registry ?? everything, problems);
  checker.reserve(value);
  const entries = (Object.keys(SECTIONS) as Section[]).flatMap((section) =>
    checker.section(section, value[section]),
  );
  checker.unique(entries);
  // Graph errors would only obscure errors in the components themselves.
  const nodes = problems.length > 0 ? [] : planGraph(entries, checker.registry, problems);
  if (problems.length > 0) throw problemsError(problems);
  const { purpose, retention } = value;
  const late = alongThePath(
    nodes,
    (before, { component, options }) =>
      before + (component.role === "operator" ? (component.late?.(options) ?? 0) : 0),
  );
  const apart = alongThePath(nodes, (before, { component, options }) =>
    component.role === "sink" ? before : Math.max(before, component.apart?.(options) ?? 0),
  );
  return {
    file: yaml.file,
    baseDir,
    name: typeof value.name === "string" ? value.name : basename(yaml.file).replace(/\.ya?ml$/, ""),
    ...(typeof purpose === "string" && { purpose }),
    ...(typeof retention === "string" && { retention }),
    nodes,
    warnings: [
      ...checker.warnings,
      ...nodes.flatMap((node) =>
        concernOf(node, { late: late.get(node.id) ?? 0, apartMs: apart.get(node.id) ?? 0 }),
      ),
    ],
    colour: coloured(nodes),
    lastToSee: lastToSee(nodes),
    late,
    hides: nodes.some(({ component }) => component.role === "operator" && component.hides),
  };
}

/** Adds a component to a configuration; returns where it was requested and where it is now. */
function add(root: Record<string, unknown>, { section, type, options, present, place }: Added) {
  root[section] ??= [];
  const list = root[section];
  if (!Array.isArray(list)) return { place, path: [section] }; // reported later
  const at =
    present === "more" ? -1 : list.findIndex((item: unknown) => isMapping(item) && item.type === type);
  if (at < 0) return { place, path: [section, list.push({ type, ...options }) - 1] };
  if (present === "set") Object.assign(list[at] as object, options);
  return { place, path: [section, at, (present === "set" && Object.keys(options)[0]) || "type"] };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(list: unknown): boolean {
  return list === undefined || list === null || (Array.isArray(list) && list.length === 0);
}

function checkHead(yaml: YamlFile, value: Record<string, unknown>, problems: Problem[]): void {
  for (const key of Object.keys(value))
    if (!KEYS.includes(key))
      problems.push({ place: yaml.keyPlace([key]), message: `unknown key \`${key}\`; ${hint(key, KEYS)}` });
  // A misspelt section has been reported; that the right one is missing is a consequence.
  const told = Object.keys(value).map((key) => (KEYS.includes(key) ? undefined : nearest(key, KEYS)));
  for (const section of ["sources", "sinks"])
    if (isEmpty(value[section]) && !told.includes(section))
      problems.push({
        place: yaml.place([section]),
        message: `\`${section}\` is missing; a pipeline needs at least one ${SECTIONS[section as Section]}`,
      });
  if (value.version !== 1)
    problems.push({
      place: yaml.place(["version"]),
      message:
        value.version === undefined
          ? "`version` is missing; start the file with `version: 1`"
          : `\`version\` is ${show(value.version)}; this release supports version 1`,
    });
  for (const key of TEXTS)
    if (value[key] !== undefined && (typeof value[key] !== "string" || value[key] === ""))
      problems.push({
        place: yaml.place([key]),
        message: `\`${key}\` is ${show(value[key])}; it must be a string`,
      });
}

/** Checks the three lists. */
class Checker {
  readonly registry: readonly Component[];
  readonly warnings: string[] = [];
  readonly #yaml: YamlFile;
  readonly #folderAt: FolderAt;
  readonly #problems: Problem[];
  readonly #ids = new Set<string>();

  constructor(yaml: YamlFile, folderAt: FolderAt, registry: readonly Component[], problems: Problem[]) {
    this.#yaml = yaml;
    this.#folderAt = folderAt;
    this.registry = registry;
    this.#problems = problems;
  }

  section(section: Section, list: unknown): Entry[] {
    if (isEmpty(list)) return [];
    if (!Array.isArray(list)) {
      this.#complain([section], `\`${section}\` is ${show(list)}; it must be a list: - { type: ... }`);
      return [];
    }
    return list.flatMap((item: unknown, i) => this.#item(section, item, [section, i]) ?? []);
  }

  /** Records the ids in the file, so that generated ids do not collide with them. */
  reserve(value: Record<string, unknown>): void {
    for (const list of Object.keys(SECTIONS).map((section) => value[section]))
      for (const item of Array.isArray(list) ? (list as unknown[]) : [])
        if (isMapping(item) && item.id !== undefined) this.#ids.add(String(item.id));
  }

  /**
   * Checks that ids differ (missing ones are generated to), and that sinks write to different files, none of which is
   * read.
   */
  unique(entries: readonly Entry[]): void {
    const seen = new Set<string>();
    const written = new Map<string, string>();
    const read = new Map([[identity(this.#yaml.file), "this file"]]);
    let reader: string | undefined;
    for (const { id, component, options, at } of entries) {
      if (component.role !== "source" || typeof options.path !== "string") continue;
      if (options.path !== "-") read.set(identity(options.path), `what \`${id}\` reads`);
      else if (reader === undefined) reader = id;
      else {
        const message = `\`${reader}\` already reads standard input; give \`${id}\` another \`path\``;
        this.#problems.push({ place: at(["path"]), message });
      }
    }
    for (const { id, place, component, options, at } of entries) {
      const path = component.type === "console" ? "-" : options.path;
      if (component.role === "sink" && typeof path === "string") {
        const target = path === "-" ? path : identity(path);
        const other = written.get(target);
        if (other)
          this.#problems.push({
            place,
            message: `\`${other}\` already writes to ${path === "-" ? "standard output" : path}; remove one of them, or give it another \`path\``,
          });
        written.set(target, id);
        const input = read.get(target);
        if (input)
          this.#problems.push({
            place,
            message: `\`${id}\` would overwrite ${input}, ${path}; give it another \`path\``,
          });
      }
      if (seen.has(id))
        this.#problems.push({
          place: at(["id"]),
          message: `the id \`${id}\` is used twice; ids must be unique`,
        });
      seen.add(id);
    }
  }

  #complain(path: YamlPath, message: string): void {
    this.#problems.push({ place: this.#yaml.place(path), message });
  }

  #item(section: Section, item: unknown, path: YamlPath): Entry | undefined {
    if (!isMapping(item)) {
      this.#complain(path, `this is ${show(item)}; it must be a mapping: - { type: ... }`);
      return undefined;
    }
    const { type, id, from: named, ...options } = item;
    const component = this.#component(section, type, path);
    if (!component) return undefined;
    // For a source, which has no input, `from` may be an option.
    const isOption = component.role === "source" && "from" in component.options.properties;
    if (isOption && named !== undefined) options.from = named;
    const from = isOption ? undefined : named;
    const known = new Set(this.#problems.map(({ place }) => placeText(place)));
    const checked = readOptions(component.options, options, (at) => this.#folderAt([...path, ...at]));
    for (const { path: at, atKey, message } of checked.problems) {
      const place = atKey ? this.#yaml.keyPlace([...path, ...at]) : this.#yaml.place([...path, ...at]);
      // An unset variable has been reported; errors about the resulting gap are consequences.
      if (!known.has(placeText(place)))
        this.#problems.push({ place, message: `${component.type}: ${message}` });
    }
    const together = checked.problems.length === 0 && component.check?.(checked.options);
    if (together) this.#complain([...path, together.option], `${component.type}: ${together.message}`);
    const idle = checked.problems.length === 0 && component.idle?.(checked.options);
    for (const name of idle ? idle.names : [])
      if (idle && name in options)
        this.warnings.push(
          `${placeText(this.#yaml.place([...path, name]))}: ${component.type}: \`${name}\` has no effect ${idle.where}`,
        );
    const place = this.#yaml.place(path);
    return {
      id: this.#id(id, component, path),
      component,
      options: checked.options,
      from: this.#from(from, path),
      place,
      at: (option) => this.#yaml.place([...path, ...option]),
    };
  }

  #component(section: Section, type: unknown, path: YamlPath): Component | undefined {
    const role = SECTIONS[section];
    const types = this.registry.filter((c) => c.role === role).map((c) => c.type);
    if (typeof type !== "string") {
      const what = type === undefined ? "`type` is missing" : `\`type\` is ${show(type)}`;
      this.#complain(type === undefined ? path : [...path, "type"], `${what}; ${hint("", types)}`);
      return undefined;
    }
    const component = this.registry.find((c) => c.type === type && c.role === role);
    if (component) return component;
    const elsewhere = this.registry.find((c) => c.type === type);
    this.#complain(
      [...path, "type"],
      elsewhere
        ? `\`${type}\` is ${elsewhere.role === "operator" ? "an" : "a"} ${elsewhere.role}; put it under \`${elsewhere.role}s\``
        : `unknown ${role} \`${type}\`; ${hint(type, types)}`,
    );
    return undefined;
  }

  #id(id: unknown, component: Component, path: YamlPath): string {
    if (id === undefined) {
      let free = component.type;
      for (let n = 2; this.#ids.has(free); n++) free = `${component.type}-${n}`;
      this.#ids.add(free);
      return free;
    }
    const text = String(id);
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(text) || typeof id === "object")
      this.#complain(
        [...path, "id"],
        `the id ${show(id)} may only contain letters, digits, \`_\`, \`-\` and \`.\``,
      );
    return text;
  }

  #from(from: unknown, path: YamlPath): string[] | undefined {
    if (from === undefined) return undefined;
    const list: unknown[] = Array.isArray(from) ? from : [from];
    // Ids may be numbers, too.
    const names = list.flatMap((name) => (["string", "number"].includes(typeof name) ? String(name) : []));
    if (list.length > 0 && names.length === list.length) return names;
    this.#complain(
      [...path, "from"],
      `\`from\` is ${show(from)}; it must be a list of ids: from: [door, hall]`,
    );
    return undefined;
  }
}

/** Sources whose frames something downstream draws on or stores. */
function coloured(nodes: Plan["nodes"]): Set<string> {
  const wanted = new Set<string>();
  for (const { id, component, from } of [...nodes].reverse()) {
    const colour = (component.role !== "source" && component.colour === true) || wanted.has(id);
    if (colour) for (const input of from) wanted.add(input);
  }
  return new Set(
    nodes.filter(({ id, component }) => component.role === "source" && wanted.has(id)).map(({ id }) => id),
  );
}

/** What has added up when frames reach each component, along the path where it is most. */
function alongThePath(
  nodes: readonly PlannedNode[],
  add: (before: number, node: PlannedNode) => number,
): Map<string, number> {
  const at = new Map<string, number>();
  const after = new Map<string, number>();
  for (const node of nodes) {
    const before = Math.max(0, ...node.from.map((input) => after.get(input) ?? 0));
    at.set(node.id, before);
    after.set(node.id, add(before, node));
  }
  return at;
}

function concernOf({ component, options, place }: PlannedNode, arrival: Arrival): string[] {
  const concern = component.role === "operator" && component.concern?.(options, arrival);
  return concern ? [`${placeText(place)}: ${component.type}: ${concern}`] : [];
}

/** Components after which nothing downstream reads pixels. */
function lastToSee(nodes: Plan["nodes"]): Set<string> {
  const last = new Set<string>();
  for (const { id } of [...nodes].reverse()) {
    const takers = nodes.filter(({ from }) => from.includes(id));
    const blind = takers.every(
      ({ id: taker, component }) =>
        component.role === "operator" &&
        component.ignoresPixels === true &&
        (component.gives === "events" || last.has(taker)),
    );
    if (blind && takers.length > 0) last.add(id);
  }
  return last;
}
