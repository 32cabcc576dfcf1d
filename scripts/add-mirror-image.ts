/**
 * Makes a model average over each picture and its enlarged mirror image, as `mirror: true` in a recipe does:
 * `tsx scripts/add-mirror-image.ts <model.onnx> <out.onnx> <height> <width> <classes>`. For weights that were trained
 * without it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { meanOfBoth, withMirrorImage } from "#src/model/layers/inference-graph.js";
import { readGraph } from "#src/model/onnx/read.js";
import { GraphCopy } from "#src/model/quantize/copy.js";

const [from, to, ...sizes] = process.argv.slice(2);
const [height, width, classes] = sizes.map(Number);
if (!from || !to || !height || !width || !classes)
  throw new Error("usage: add-mirror-image.ts <model.onnx> <out.onnx> <height> <width> <classes>");

const model = readGraph(readFileSync(from), from);
const copy = new GraphCopy(model, ["N", 1, height, width]);
const { graph } = copy;
const both = withMirrorImage(graph, copy.value("input"), height, width);
for (const node of model.nodes) {
  if (node.outputs.includes("probabilities")) continue;
  const own = () => node.inputs.map((name) => (name === "input" ? both : copy.value(name)));
  copy.node(node, node.inputs.includes("input") ? own() : undefined);
}
const logits = meanOfBoth(graph, copy.value("logits"));
graph.output("logits", logits, ["N", classes]);
graph.output("probabilities", graph.node("Softmax", [logits], { axis: 1 }), ["N", classes]);
writeFileSync(to, graph.encode());
