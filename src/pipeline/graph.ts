import type { Plan, PlannedNode } from "./plan.js";

/** The plan as a Mermaid flowchart. */
export function toMermaid(plan: Plan): string {
  const shape = ({ id, component }: PlannedNode): string => {
    const label = `"${id === component.type ? id : `${id}<br/>${component.type}`}"`;
    if (component.role === "source") return `([${label}])`;
    return component.role === "sink" ? `[/${label}/]` : `[${label}]`;
  };
  const names = namesOf(plan);
  const lines = plan.nodes.map((node) => `  ${names.get(node.id)}${shape(node)}`);
  const edges = edgesOf(plan).map(
    ({ from, to, kind }) => `  ${names.get(from)} -- ${kind} --> ${names.get(to)}`,
  );
  return ["flowchart LR", ...lines, ...edges, ""].join("\n");
}

/** The plan in Graphviz's DOT language. */
export function toDot(plan: Plan): string {
  const shapes = { source: "ellipse", operator: "box", sink: "parallelogram" };
  const quote = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const nodes = plan.nodes.map(({ id, component }) => {
    const label = id === component.type ? id : `${id}\\n${component.type}`;
    return `  ${quote(id)} [label="${label}", shape=${shapes[component.role]}];`;
  });
  const edges = edgesOf(plan).map(
    ({ from, to, kind }) => `  ${quote(from)} -> ${quote(to)} [label="${kind}"];`,
  );
  return [`digraph ${quote(plan.name)} {`, "  rankdir=LR;", ...nodes, ...edges, "}", ""].join("\n");
}

function edgesOf(plan: Plan): { from: string; to: string; kind: string }[] {
  const byId = new Map(plan.nodes.map((node) => [node.id, node.component]));
  return plan.nodes.flatMap(({ id, from }) =>
    from.map((input) => {
      const component = byId.get(input);
      return { from: input, to: id, kind: component && component.role !== "sink" ? component.gives : "" };
    }),
  );
}

/** Mermaid reserves some words, so nodes are numbered. */
function namesOf(plan: Plan): Map<string, string> {
  return new Map(plan.nodes.map(({ id }, i) => [id, `n${i + 1}`]));
}
