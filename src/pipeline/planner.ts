import type { Component, Kind, SinkComponent } from "./component.js";
import { hint } from "./nearest.js";
import type { PlannedNode } from "./plan.js";
import type { Problem, YamlPath } from "./yaml.js";

/** A component of the file before it is placed in the graph. */
export interface Entry {
  readonly id: string;
  readonly component: Component;
  readonly options: Record<string, unknown>;
  /** As written; undefined if the default rules apply. */
  readonly from: readonly string[] | undefined;
  readonly place: PlannedNode["place"];
  /** Place of an option, e.g. of `["from", 0]`. */
  at(path: YamlPath): PlannedNode["place"];
}

/**
 * Connects components to a graph in topological order and checks it: kinds match on every edge, there are no cycles,
 * everything leads from a source to a sink. Without `from`,
 * - an operator takes the output of the one above it, and the first one takes all sources;
 * - a sink takes the end of every chain of its kind, or else the last operator of its kind; the same applies to the
 *   kind it takes `also`, if anything gives it.
 */
export function planGraph(
  entries: readonly Entry[],
  registry: readonly Component[],
  problems: Problem[],
): PlannedNode[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const inputs = joinAll(entries, byId, problems);
  const nodes = entries.map(
    ({ at: _, ...entry }): PlannedNode => ({ ...entry, from: inputs.get(entry.id) ?? [] }),
  );
  if (problems.length > 0) return nodes;
  const sorted = topological(nodes, problems);
  if (problems.length > 0) return nodes;
  const before = componentsBefore(sorted, byId);
  for (const node of sorted) checkEdges(node, byId, before, registry, problems);
  checkNeeds(sorted, before, problems);
  if (problems.length === 0) checkHidden(sorted, problems);
  if (problems.length === 0) checkDoubled(sorted, problems);
  if (problems.length === 0) checkUsed(sorted, problems);
  return sorted;
}

/** The inputs of every component: those it names, or those that the default rules give it. */
function joinAll(
  entries: readonly Entry[],
  byId: ReadonlyMap<string, Entry>,
  problems: Problem[],
): Map<string, readonly string[]> {
  const inputs = new Map<string, readonly string[]>();
  let above = entries.filter(({ component }) => component.role === "source").map(({ id }) => id);
  for (const entry of entries) {
    const { id, component, from } = entry;
    checkFrom(entry, byId, problems);
    if (component.role === "source" || (component.role === "sink" && !from)) continue;
    inputs.set(id, from ?? above);
    if (component.role === "operator") above = [id];
  }
  const taken = new Set([...inputs.values()].flat());
  const ends = entries.filter(({ id, component }) => component.role !== "sink" && !taken.has(id));
  for (const { id, component, from } of entries) {
    if (component.role === "sink" && !from) inputs.set(id, inputsOfSink(component, ends, entries));
  }
  return inputs;
}

function checkFrom(
  { id, component, from, at }: Entry,
  byId: ReadonlyMap<string, Entry>,
  problems: Problem[],
): void {
  const report = (message: string, path: YamlPath = ["from"]) => problems.push({ place: at(path), message });
  if (component.role === "source") {
    if (from) report(`source \`${id}\` has \`from\`, but sources have no input; remove it`);
    return;
  }
  for (const [i, name] of (from ?? []).entries()) {
    if (from?.indexOf(name) !== from?.lastIndexOf(name)) {
      report(`\`from\` of \`${id}\` lists \`${name}\` twice; remove one`);
      return;
    }
    const role = byId.get(name)?.component.role;
    if (role === undefined) {
      const candidates = [...byId.values()].filter((entry) => entry.component.role !== "sink");
      const ids = candidates.map((entry) => entry.id);
      report(`\`from: ${name}\`: unknown id; ${hint(name, ids)}`, ["from", i]);
    } else if (role === "sink")
      report(`\`from: ${name}\` is a sink, which has no output; use the id of a source or operator`, [
        "from",
        i,
      ]);
  }
}

/** What a sink without `from` takes: see `planGraph`. */
function inputsOfSink(
  { takes, also }: Pick<SinkComponent, "takes" | "also">,
  ends: readonly Entry[],
  entries: readonly Entry[],
): readonly string[] {
  const giving = (kind: Kind): readonly Entry[] => {
    const fitting = ends.filter(({ component }) => givesOf(component) === kind);
    if (fitting.length > 0) return fitting;
    const within = entries.findLast(
      ({ component }) => component.role === "operator" && givesOf(component) === kind,
    );
    return within ? [within] : [];
  };
  const main = giving(takes);
  const chosen = main.length > 0 ? [...main, ...(also ? giving(also) : [])] : ends;
  return chosen.map(({ id }) => id);
}

function givesOf(component: Component): Kind | undefined {
  return component.role === "sink" ? undefined : component.gives;
}

function topological(nodes: readonly PlannedNode[], problems: Problem[]): PlannedNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const state = new Map<string, "open" | "done">();
  const sorted: PlannedNode[] = [];
  const visit = (node: PlannedNode, trail: readonly string[]): void => {
    if (state.get(node.id) === "done") return;
    if (state.get(node.id) === "open") {
      const round = [...trail.slice(trail.indexOf(node.id)), node.id].join(" -> ");
      problems.push({ place: node.place, message: `the graph has a cycle: ${round}; change a \`from\`` });
      return;
    }
    state.set(node.id, "open");
    for (const id of node.from) {
      const input = byId.get(id);
      if (input) visit(input, [...trail, node.id]);
    }
    state.set(node.id, "done");
    sorted.push(node);
  };
  for (const node of nodes) visit(node, []);
  return sorted;
}

/** For each component those before it, by type: one of each. */
type Before = ReadonlyMap<string, ReadonlyMap<string, Entry>>;

function componentsBefore(sorted: readonly PlannedNode[], byId: ReadonlyMap<string, Entry>): Before {
  const before = new Map<string, ReadonlyMap<string, Entry>>();
  for (const { id, from } of sorted) {
    const above = new Map<string, Entry>();
    for (const input of from.flatMap((name) => byId.get(name) ?? [])) {
      for (const [type, entry] of before.get(input.id) ?? []) above.set(type, entry);
      above.set(input.component.type, input);
    }
    before.set(id, above);
  }
  return before;
}

function checkEdges(
  node: PlannedNode,
  byId: ReadonlyMap<string, Entry>,
  before: Before,
  registry: readonly Component[],
  problems: Problem[],
): void {
  const { component } = node;
  if (component.role === "source") return;
  for (const id of node.from) {
    const input = byId.get(id)?.component;
    const gives = input && givesOf(input);
    if (!gives || gives === component.takes) continue;
    if (component.role === "sink" && gives === component.also) continue;
    const above = new Set([...(before.get(id)?.keys() ?? []), input.type]);
    const between = bridge(gives, component.takes, above, registry);
    const help = between
      ? `put ${between.map((type) => `\`${type}\``).join(", ")} between them`
      : `no operator turns ${gives} into ${component.takes}; give it another input with \`from\``;
    problems.push({
      place: node.place,
      message: `${component.role} \`${node.id}\` takes ${component.takes}, but \`${id}\` gives ${gives}; ${help}`,
    });
  }
}

/**
 * The shortest chain of operators from one kind to another, with what each of them needs that is not `above`; ties are
 * resolved by registry order.
 */
function bridge(
  from: Kind,
  to: Kind,
  above: ReadonlySet<string>,
  registry: readonly Component[],
): string[] | undefined {
  let paths: { kind: Kind; types: string[] }[] = [{ kind: from, types: [] }];
  for (let length = 0; length < 4; length++) {
    const found = paths.find(({ kind }) => kind === to);
    if (found) return found.types;
    paths = paths.flatMap(({ kind, types }) =>
      registry.flatMap((c) => {
        if (c.role !== "operator" || c.takes !== kind || c.gives === kind) return [];
        const needed = (c.needs ?? []).filter((type) => !above.has(type) && !types.includes(type));
        return [{ kind: c.gives, types: [...types, ...needed, c.type] }];
      }),
    );
  }
  return undefined;
}

/** Checks what each operator and sink needs before it, and that it reads no pixels that one before it has changed. */
function checkNeeds(sorted: readonly PlannedNode[], before: Before, problems: Problem[]): void {
  for (const { id, component, place } of sorted) {
    if (component.role === "source") continue;
    const above: ReadonlyMap<string, Entry> = before.get(id) ?? new Map();
    for (const needed of component.needs ?? [])
      if (!above.has(needed))
        problems.push({
          place,
          message: `\`${id}\` needs a \`${needed}\` operator somewhere before it; add \`- { type: ${needed} }\``,
        });
    for (const other of above.values())
      if (other.component.role === "operator" && other.component.spoils?.includes(component.type))
        problems.push({
          place,
          message: `\`${id}\` reads pixels after \`${other.id}\` has changed them; put \`${id}\` before \`${other.id}\``,
        });
  }
}

/** If faces are hidden anywhere, every video sink must get them hidden, along all paths leading to it. */
function checkHidden(nodes: readonly PlannedNode[], problems: Problem[]): void {
  const hiders = nodes.filter(({ component }) => component.role === "operator" && component.hides);
  if (hiders.length === 0) return;
  const safe = new Set<string>(); // components that give only hidden faces, or no frames
  for (const { id, component, from, place } of nodes) {
    const allSafe = from.length > 0 && from.every((input) => safe.has(input));
    const gives = givesOf(component);
    if (allSafe || gives === "events" || (component.role === "operator" && component.hides)) safe.add(id);
    if (component.role === "sink" && component.colour && !allSafe)
      problems.push({
        place,
        message: `sink \`${id}\` would get faces that \`${hiders[0]?.id}\` hides elsewhere; give it \`from: [${hiders[0]?.id}]\``,
      });
  }
}

/** A sink of pictures cannot tell branches apart: it would write or show each picture twice. */
function checkDoubled(nodes: readonly PlannedNode[], problems: Problem[]): void {
  const sources = new Map<string, readonly string[]>(); // whose pictures a component gives
  for (const { id, component, from, place } of nodes) {
    const inputs = from.filter((input) => sources.has(input));
    const all = inputs.flatMap((input) => sources.get(input) ?? []);
    if (component.role === "source") sources.set(id, [id]);
    else if (component.role === "operator" && component.gives !== "events")
      sources.set(id, [...new Set(all)]);
    if (component.role !== "sink" || !component.colour) continue;
    const twice = all.find((source, i) => all.indexOf(source) < i);
    if (twice === undefined) continue;
    const givers = inputs.filter((input) => sources.get(input)?.includes(twice));
    problems.push({
      place,
      message: `sink \`${id}\` would get each picture of \`${twice}\` from ${givers.map((giver) => `\`${giver}\``).join(" and from ")}; give it \`from: [${givers[0]}]\` or \`from: [${givers[1]}]\``,
    });
  }
}

function checkUsed(nodes: readonly PlannedNode[], problems: Problem[]): void {
  const taken = new Set(nodes.flatMap(({ from }) => from));
  for (const { id, component, place } of nodes)
    if (component.role !== "sink" && !taken.has(id))
      problems.push({
        place,
        message: `the output of \`${id}\` is unused; add it to a \`from\`, or remove it`,
      });
}
