import { ModelError } from "../errors.js";
import type { ModelCard } from "./card.js";
import { bothSides, classOutputs } from "./layers/inference-graph.js";
import { GraphCopy } from "./onnx/copy.js";
import { GraphBuilder } from "./onnx/graph.js";
import type { GraphRead } from "./onnx/read.js";

export interface Member {
  readonly card: ModelCard;
  readonly graph: GraphRead;
}

/**
 * Several networks as one: an ONNX graph whose logits are the mean of the members', so that its probabilities are their
 * geometric mean. Throws `ModelError` where members differ in labels or input.
 *
 * @param mirror averages over each picture and its mirror image too: twice the work
 */
export function ensembleGraph(members: readonly Member[], mirror: boolean): Uint8Array<ArrayBuffer> {
  const { input, labels } = firstOf(members);
  const graph = new GraphBuilder("ensemble");
  const x = graph.input("input", ["N", input.channels, input.height, input.width]);
  const mean = (seen: string) => {
    const logits = members.map((member) => logitsOf(member, graph, seen));
    const sum = logits.reduce((left, right) => graph.node("Add", [left, right]));
    return graph.node("Mul", [sum, graph.scalar(1 / members.length)]);
  };
  classOutputs(graph, mirror ? bothSides(graph, x, mean) : mean(x), labels.length);
  return graph.encode();
}

function logitsOf({ graph: member }: Member, graph: GraphBuilder, seen: string): string {
  const copy = new GraphCopy(member, graph, seen);
  for (const node of member.nodes) copy.node(node);
  return copy.value("logits");
}

/** The card of an ensemble, without figures: those are for `pipeline evaluate --card` to add. */
export function ensembleCard(
  members: readonly Member[],
  name: string,
  mirror: boolean,
): Omit<ModelCard, "files"> {
  const { format, labels, input, face } = firstOf(members);
  const cards = members.map(({ card }) => card);
  const parameters = sum(cards.map((card) => card.parameters));
  const multiplyAdds = sum(cards.map((card) => card.multiplyAdds)) * (mirror ? 2 : 1);
  const sides = mirror ? ", over pictures and mirror images" : "";
  return {
    format,
    name,
    version: "1.0.0",
    summary: `Mean of ${cards.length} networks${sides}: ${millions(parameters, 2)} M parameters, ${millions(multiplyAdds, 0)} M multiply-adds.`,
    labels,
    input,
    face,
    parameters,
    multiplyAdds,
    training: {
      software: "pipeline models ensemble",
      mirror,
      members: cards.map(({ name, version, summary, training }) => ({ name, version, summary, training })),
    },
    metrics: [],
    licence: [...new Set(cards.map(({ licence }) => licence))].join(" and "),
    limits: [...new Set(cards.flatMap(({ limits }) => limits))],
  };
}

/** The first member's card, once all agree with it on what goes in and comes out. */
function firstOf(members: readonly Member[]): ModelCard {
  const [first, ...others] = members.map(({ card }) => card);
  if (!first) throw new ModelError("ENSEMBLE", "an ensemble needs members");
  for (const card of others)
    for (const part of ["labels", "input"] as const)
      if (JSON.stringify(card[part]) !== JSON.stringify(first[part]))
        throw new ModelError(
          "ENSEMBLE",
          `model ${card.name}: \`${part}\` is not as in ${first.name}; all members of an ensemble take and give the same`,
        );
  return first;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const millions = (value: number, digits: number) => (value / 1e6).toFixed(digits);
