import { ModelError } from "../../errors.js";

/** A square convolution; `padding` on every side. */
export interface Conv {
  readonly type: "conv";
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly bias: boolean;
}

/** Windows must not overlap (`stride` = `kernel`), so that each gradient goes back to one place. */
export interface MaxPool {
  readonly type: "maxPool";
  readonly kernel: number;
  readonly padding: number;
}

/** Mean of adjacent `kernel` x `kernel` windows; height and width must be multiples of `kernel`. */
export interface AvgPool {
  readonly type: "avgPool";
  readonly kernel: number;
}

/** Sets values to zero with probability `rate` in training, and scales the others up to keep the mean. */
export interface Dropout {
  readonly type: "dropout";
  readonly rate: number;
}

export interface Linear {
  readonly type: "linear";
  readonly out: number;
}

/** body(x) + skip(x); an empty list is the identity. */
export interface Residual {
  readonly type: "residual";
  readonly body: readonly Layer[];
  readonly skip: readonly Layer[];
}

export type Layer =
  | Conv
  | { readonly type: "batchNorm" }
  | { readonly type: "relu" }
  | MaxPool
  | AvgPool
  | { readonly type: "globalAvgPool" }
  | { readonly type: "globalMaxPool" }
  | Dropout
  | Linear
  | Residual;

/** Shape of one picture: channels, height, width; or only channels after global pooling. */
export type Shape = readonly [number, number, number] | readonly [number];

/** Added to a variance before taking its root. */
export const BATCH_NORM_EPSILON = 1e-5;

export const conv = (
  out: number,
  kernel: number,
  options: { stride?: number; padding?: number; bias?: boolean } = {},
): Conv => ({ type: "conv", out, kernel, stride: 1, padding: kernel >> 1, bias: false, ...options });
export const batchNorm = (): Layer => ({ type: "batchNorm" });
export const relu = (): Layer => ({ type: "relu" });
export const maxPool = (kernel: number, padding = 0): Layer => ({ type: "maxPool", kernel, padding });
export const avgPool = (kernel: number): Layer => ({ type: "avgPool", kernel });
export const globalAvgPool = (): Layer => ({ type: "globalAvgPool" });
export const globalMaxPool = (): Layer => ({ type: "globalMaxPool" });
export const dropout = (rate: number): Layer => ({ type: "dropout", rate });
export const linear = (out: number): Layer => ({ type: "linear", out });
export const residual = (body: readonly Layer[], skip: readonly Layer[] = []): Layer => ({
  type: "residual",
  body,
  skip,
});

/** Shape after a layer. Throws `ModelError` if the layer cannot take this input. */
export function outputShape(layer: Layer, input: Shape, path: string): Shape {
  switch (layer.type) {
    case "batchNorm":
    case "relu":
    case "dropout":
      return input;
    case "linear":
      if (input.length !== 1) throw misfit(layer, path, input, "pool globally before it");
      return [layer.out];
    case "residual": {
      const body = chainShape(layer.body, input, `${path}.body`);
      const skip = chainShape(layer.skip, input, `${path}.skip`);
      if (body.join() !== skip.join())
        throw misfit(layer, path, input, `its body gives ${body.join("x")}, its skip ${skip.join("x")}`);
      return body;
    }
    default:
      return spatialShape(layer, input, path);
  }
}

function spatialShape(
  layer: Exclude<Layer, { type: "batchNorm" | "relu" | "dropout" | "linear" | "residual" }>,
  input: Shape,
  path: string,
): Shape {
  if (input.length !== 3) throw misfit(layer, path, input, "it needs channels, height and width");
  const [channels, height, width] = input;
  if (layer.type === "globalAvgPool" || layer.type === "globalMaxPool") return [channels];
  const { kernel } = layer;
  const stride = layer.type === "conv" ? layer.stride : kernel;
  const padding = layer.type === "avgPool" ? 0 : layer.padding;
  if (layer.type === "avgPool" && (height % kernel !== 0 || width % kernel !== 0))
    throw misfit(layer, path, input, `sizes must be multiples of ${kernel}`);
  const size = (n: number) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
  if (size(height) < 1 || size(width) < 1) throw misfit(layer, path, input, "the picture is too small");
  return [layer.type === "conv" ? layer.out : channels, size(height), size(width)];
}

/** Shape after a list of layers. */
export function chainShape(layers: readonly Layer[], input: Shape, path = "layers"): Shape {
  return layers.reduce<Shape>((shape, layer, i) => outputShape(layer, shape, `${path}.${i}`), input);
}

function misfit(layer: Layer, path: string, input: Shape, why: string): ModelError {
  return new ModelError("ARCHITECTURE", `${path} (${layer.type}) cannot take ${input.join("x")}: ${why}`);
}
