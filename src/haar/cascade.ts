import { readFile } from "node:fs/promises";
import { ModelError, messageOf, readReason } from "../errors.js";

/**
 * A boosted cascade of Haar-like features (Viola and Jones 2001; tilted features: Lienhart and Maydt 2002) in flat
 * arrays, in the form that OpenCV's `CascadeClassifier` holds after loading.
 */
export interface Cascade {
  readonly name: string;
  /** Window size in pixels. */
  readonly width: number;
  readonly height: number;
  /** True if every tree is a stump (one node, two leaves). */
  readonly stumps: boolean;
  readonly hasTilted: boolean;
  /** Trees of each stage: `[stageFirst[s], stageFirst[s + 1])`. */
  readonly stageFirst: Int32Array;
  /** Stage thresholds minus OpenCV's 1e-5. */
  readonly stageThreshold: Float32Array;
  /** Nodes of each tree: `[treeFirst[t], treeFirst[t + 1])`; a tree has one more leaf than nodes. */
  readonly treeFirst: Int32Array;
  readonly nodeFeature: Int32Array;
  readonly nodeThreshold: Float32Array;
  /** Where to go below the threshold, and otherwise: a node of the tree if positive, else the leaf `-value`. */
  readonly nodeLeft: Int32Array;
  readonly nodeRight: Int32Array;
  readonly leaves: Float32Array;
  /** Three rectangles per feature, each `x, y, width, height` in window pixels. */
  readonly rects: Int32Array;
  /** Three weights per feature; 0 means that there is no such rectangle. */
  readonly weights: Float32Array;
  readonly tilted: Uint8Array;
}

type Node = Record<string, unknown>;

const MAX_BYTES = 64 * 2 ** 20;
const MAX_WINDOW = 1000;
const THRESHOLD_EPSILON = 1e-5; // OpenCV: CascadeClassifierImpl::Data, THRESHOLD_EPS

/** Reads a cascade file. Throws `ModelError` if it is missing or not a cascade. */
export async function loadCascade(path: string): Promise<Cascade> {
  return parseCascade(await readCascadeFile(path), path);
}

/** A cascade file's text. Throws `ModelError` if it cannot be read. */
export async function readCascadeFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new ModelError(
      "CASCADE_READ",
      `cascade ${path}: ${readReason(cause)}; give an OpenCV cascade file (.xml)`,
      {
        cause,
      },
    );
  }
}

/**
 * Parses OpenCV's cascade XML, both `opencv-cascade-classifier` and the older `opencv-haar-classifier`.
 *
 * @param where names the file in errors
 */
export async function parseCascade(xml: string, where: string): Promise<Cascade> {
  const fail = (what: string): never => {
    throw new ModelError(
      "CASCADE_FORMAT",
      `cascade ${where}: ${what}; give a cascade file that OpenCV can read`,
    );
  };
  if (xml.length > MAX_BYTES) fail(`${xml.length} bytes is too large for a cascade`);
  const root = await parseXml(xml, fail);
  for (const [name, value] of Object.entries(root)) {
    if (!isNode(value)) continue;
    const type = value["@type_id"];
    if (type === "opencv-cascade-classifier" || (name === "cascade" && type === undefined))
      return readCascade(value, where, fail);
    if (type === "opencv-haar-classifier") return readOldCascade(value, where, fail);
  }
  return fail("it contains no Haar cascade");
}

async function parseXml(xml: string, fail: (what: string) => never): Promise<Node> {
  const { XMLParser } = await import("fast-xml-parser"); // runs with the default cascade do not need it
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    parseTagValue: false,
    processEntities: false,
    isArray: (name: string) => name === "_",
  });
  try {
    const root = (parser.parse(xml) as Node).opencv_storage;
    return isNode(root) ? root : fail("it has no <opencv_storage>");
  } catch (error) {
    if (error instanceof ModelError) throw error;
    return fail(`it is not XML (${messageOf(error)})`);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Builds the flat arrays of a cascade, checking each number. */
class Builder {
  readonly stageFirst = [0];
  readonly stageThreshold: number[] = [];
  readonly treeFirst = [0];
  readonly nodeFeature: number[] = [];
  readonly nodeThreshold: number[] = [];
  readonly nodeLeft: number[] = [];
  readonly nodeRight: number[] = [];
  readonly leaves: number[] = [];
  readonly rects: number[] = [];
  readonly weights: number[] = [];
  readonly tilted: number[] = [];
  readonly width: number;
  readonly height: number;
  readonly fail: (what: string) => never;

  constructor(width: number, height: number, fail: (what: string) => never) {
    this.width = width;
    this.height = height;
    this.fail = fail;
    if (!(width >= 4 && width <= MAX_WINDOW && height >= 4 && height <= MAX_WINDOW))
      fail(`window size ${width}x${height} is not between 4x4 and ${MAX_WINDOW}x${MAX_WINDOW}`);
  }

  /** Adds a feature from its `<rects>` and `<tilted>`; returns its index. */
  feature(node: unknown): number {
    const index = this.tilted.length;
    const at = `feature ${index}`;
    if (!isNode(node)) return this.fail(`${at} is empty`);
    const rects = list(isNode(node.rects) ? node.rects._ : undefined);
    if (rects.length < 2 || rects.length > 3) this.fail(`${at} has ${rects.length} rectangles, not 2 or 3`);
    const tilted = String(node.tilted ?? "0").trim() === "1";
    for (let i = 0; i < 3; i++) {
      const text = rects[i];
      const [x = 0, y = 0, w = 0, h = 0, weight = 0] = text === undefined ? [] : numbers(text, this.fail, at);
      if (text !== undefined) this.#checkRect(at, tilted, x, y, w, h);
      this.rects.push(x, y, w, h);
      this.weights.push(weight);
    }
    this.tilted.push(tilted ? 1 : 0);
    return index;
  }

  #checkRect(at: string, tilted: boolean, x: number, y: number, w: number, h: number): void {
    const whole = [x, y, w, h].every(Number.isInteger) && x >= 0 && y >= 0 && w > 0 && h > 0;
    // A tilted rectangle spans from x - h to x + w and down to y + w + h.
    const inside = tilted
      ? x - h >= 0 && x + w <= this.width && y + w + h <= this.height
      : x + w <= this.width && y + h <= this.height;
    if (!whole || !inside)
      this.fail(
        `${at}: rectangle ${x} ${y} ${w} ${h} extends beyond the ${this.width}x${this.height} window`,
      );
  }

  node(feature: number, threshold: number, left: number, right: number): void {
    this.nodeFeature.push(feature);
    this.nodeThreshold.push(threshold);
    this.nodeLeft.push(left);
    this.nodeRight.push(right);
  }

  endTree(): void {
    const first = this.treeFirst.at(-1) ?? 0;
    const count = this.nodeFeature.length - first;
    const tree = this.treeFirst.length - 1;
    if (count < 1) this.fail(`tree ${tree} has no nodes`);
    if (this.leaves.length !== this.nodeFeature.length + this.treeFirst.length)
      this.fail(`tree ${tree} must have ${count + 1} leaf values`);
    for (let i = 0; i < count; i++)
      // Nodes may only lead forward; otherwise evaluation could loop forever.
      for (const next of [this.nodeLeft[first + i] ?? 0, this.nodeRight[first + i] ?? 0])
        if (!Number.isInteger(next) || next >= count || -next > count || (next > 0 && next <= i))
          this.fail(`tree ${tree}, node ${i} leads to ${next}, which does not exist`);
    this.treeFirst.push(this.nodeFeature.length);
  }

  endStage(threshold: number): void {
    if (this.treeFirst.length - 1 === this.stageFirst.at(-1))
      this.fail(`stage ${this.stageThreshold.length} is empty`);
    this.stageFirst.push(this.treeFirst.length - 1);
    this.stageThreshold.push(Math.fround(Math.fround(threshold) - Math.fround(THRESHOLD_EPSILON)));
  }

  build(name: string): Cascade {
    if (this.stageThreshold.length === 0) this.fail("it has no stages");
    for (const feature of this.nodeFeature)
      if (!Number.isInteger(feature) || feature < 0 || feature >= this.tilted.length)
        this.fail(`a node uses feature ${feature}, but there are only ${this.tilted.length}`);
    return {
      name,
      width: this.width,
      height: this.height,
      stumps: this.treeFirst.length - 1 === this.nodeFeature.length,
      hasTilted: this.tilted.includes(1),
      stageFirst: Int32Array.from(this.stageFirst),
      stageThreshold: Float32Array.from(this.stageThreshold),
      treeFirst: Int32Array.from(this.treeFirst),
      nodeFeature: Int32Array.from(this.nodeFeature),
      nodeThreshold: Float32Array.from(this.nodeThreshold),
      nodeLeft: Int32Array.from(this.nodeLeft),
      nodeRight: Int32Array.from(this.nodeRight),
      leaves: Float32Array.from(this.leaves),
      rects: Int32Array.from(this.rects),
      weights: Float32Array.from(this.weights),
      tilted: Uint8Array.from(this.tilted),
    };
  }
}

function readCascade(root: Node, where: string, fail: (what: string) => never): Cascade {
  if (root.featureType !== undefined && String(root.featureType).trim() !== "HAAR")
    fail(`feature type ${String(root.featureType).trim()} is not HAAR`);
  const builder = new Builder(number(root.width, fail, "width"), number(root.height, fail, "height"), fail);
  for (const feature of children(root.features)) builder.feature(feature);
  for (const [s, stage] of children(root.stages).entries()) {
    if (!isNode(stage)) return fail(`stage ${s} is empty`);
    for (const tree of children(stage.weakClassifiers)) {
      if (!isNode(tree)) return fail(`stage ${s} has an empty tree`);
      const nodes = numbers(tree.internalNodes, fail, `stage ${s}`);
      if (nodes.length % 4 !== 0) fail(`stage ${s}: a tree's nodes are not groups of four numbers`);
      for (let i = 0; i < nodes.length; i += 4) {
        const [left = 0, right = 0, feature = -1, threshold = 0] = nodes.slice(i, i + 4);
        builder.node(feature, threshold, left, right);
      }
      builder.leaves.push(...numbers(tree.leafValues, fail, `stage ${s}`));
      builder.endTree();
    }
    builder.endStage(number(stage.stageThreshold, fail, `stage ${s}`));
  }
  return builder.build(where);
}

function readOldCascade(root: Node, where: string, fail: (what: string) => never): Cascade {
  const [width = 0, height = 0] = numbers(root.size, fail, "size");
  const builder = new Builder(width, height, fail);
  for (const [s, stage] of children(root.stages).entries()) {
    if (!isNode(stage)) return fail(`stage ${s} is empty`);
    // Each tree is a `<_>` with a `<_>` per node; leaf values are in the nodes themselves.
    for (const tree of children(stage.trees)) {
      let leaf = 0;
      const side = (node: Node, name: "left" | "right"): number => {
        const next = node[`${name}_node`];
        if (next !== undefined) return number(next, fail, `stage ${s}`);
        builder.leaves.push(number(node[`${name}_val`], fail, `stage ${s}`));
        return -leaf++;
      };
      for (const node of isNode(tree) ? list(tree._) : []) {
        if (!isNode(node)) return fail(`stage ${s} has an empty node`);
        const feature = builder.feature(node.feature);
        const threshold = number(node.threshold, fail, `stage ${s}`);
        builder.node(feature, threshold, side(node, "left"), side(node, "right"));
      }
      builder.endTree();
    }
    builder.endStage(number(stage.stage_threshold, fail, `stage ${s}`));
  }
  return builder.build(where);
}

function list(value: unknown): unknown[] {
  if (value === undefined || value === "") return [];
  return Array.isArray(value) ? value : [value];
}

function children(value: unknown): unknown[] {
  return isNode(value) ? list(value._) : [];
}

function numbers(value: unknown, fail: (what: string) => never, at: string): number[] {
  const parsed = String(value ?? "")
    .trim()
    .split(/\s+/)
    .map((text) => (text === "" ? Number.NaN : Number(text.endsWith(".") ? text.slice(0, -1) : text)));
  return parsed.every(Number.isFinite)
    ? parsed
    : fail(`${at}: ${JSON.stringify(String(value ?? "").slice(0, 40))} is not a list of numbers`);
}

function number(value: unknown, fail: (what: string) => never, at: string): number {
  const [first, ...rest] = numbers(value, fail, at);
  return first === undefined || rest.length > 0 ? fail(`${at}: expected one number`) : first;
}
