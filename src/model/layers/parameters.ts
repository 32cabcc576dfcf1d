import { type Layer, outputShape, type Shape } from "./layer.js";

/** A tensor that a network learns or (`mean`, `variance`) accumulates. */
export interface Parameter {
  /** Path of its layer and its role, e.g. `layers.3.body.0.weight`. */
  readonly name: string;
  readonly role: "weight" | "bias" | "gamma" | "beta" | "mean" | "variance";
  readonly dims: readonly number[];
  readonly size: number;
  /** Number of inputs per output, and of outputs per input; for batch norm `in` is the number of pixels per channel. */
  readonly fan: { readonly in: number; readonly out: number };
}

export const isLearnt = ({ role }: Parameter): boolean => role !== "mean" && role !== "variance";

/** Parameters by name: views of one flat array, or separate arrays. */
export type Values = ReadonlyMap<string, Float32Array>;

/** All parameters of a list of layers, in order. */
export function parametersOf(layers: readonly Layer[], input: Shape): Parameter[] {
  return [...walk(layers, input)].flatMap(({ layer, path, shape }) => ownParameters(layer, path, shape));
}

/** Multiply-adds for one picture, in convolutions and linear layers. */
export function multiplyAdds(layers: readonly Layer[], input: Shape): number {
  let sum = 0;
  for (const { layer, path, shape } of walk(layers, input)) {
    const [channels] = shape;
    if (layer.type === "linear") sum += channels * layer.out;
    if (layer.type === "conv") {
      const [out, height = 1, width = 1] = outputShape(layer, shape, path);
      sum += out * height * width * channels * layer.kernel ** 2;
    }
  }
  return sum;
}

/** Every layer except `residual` itself, with its path and the shape of its input. */
function* walk(
  layers: readonly Layer[],
  input: Shape,
  path = "layers",
): Generator<{ layer: Layer; path: string; shape: Shape }> {
  let shape = input;
  for (const [i, layer] of layers.entries()) {
    const own = `${path}.${i}`;
    if (layer.type === "residual") {
      yield* walk(layer.body, shape, `${own}.body`);
      yield* walk(layer.skip, shape, `${own}.skip`);
    } else yield { layer, path: own, shape };
    shape = outputShape(layer, shape, own);
  }
}

function ownParameters(layer: Layer, path: string, [channels, height = 1, width = 1]: Shape): Parameter[] {
  const make = (role: Parameter["role"], dims: number[], fanIn: number, fanOut: number): Parameter => ({
    name: `${path}.${role}`,
    role,
    dims,
    size: dims.reduce((a, b) => a * b, 1),
    fan: { in: fanIn, out: fanOut },
  });
  if (layer.type === "conv") {
    const area = layer.kernel ** 2;
    const fans = [channels * area, layer.out * area] as const;
    const weight = make("weight", [layer.out, channels, layer.kernel, layer.kernel], ...fans);
    return layer.bias ? [weight, make("bias", [layer.out], ...fans)] : [weight];
  }
  if (layer.type === "linear")
    return [
      make("weight", [layer.out, channels], channels, layer.out),
      make("bias", [layer.out], channels, layer.out),
    ];
  if (layer.type === "batchNorm")
    return (["gamma", "beta", "mean", "variance"] as const).map((role) =>
      make(role, [channels], height * width, 1),
    );
  return [];
}
