/** Where a value comes from: layer, call, output. */
type Reference = readonly [layer: string, call: number, output: 0];

interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32";
}

/** A layer's weights by TF.js's names. */
export type LayerWeights = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>
>;

/** The two files of a model in TF.js's layers format. */
export interface TfjsFiles {
  /** `model.json`. */
  readonly json: Uint8Array;
  /** `weights.bin`: 32-bit floats, little endian. */
  readonly weights: Uint8Array;
}

/**
 * A value inside the model, channels last. It has one stream, or two if the model also looks at the mirror image; a
 * layer is called once per stream, with the same weights.
 */
export interface Value {
  readonly streams: readonly Reference[];
  /** Height, width, channels; or only channels. */
  readonly shape: readonly [number, number, number] | readonly [number];
  /** No number in it is below 0: padding with zeros changes no maximum. */
  readonly positive: boolean;
}

export const WEIGHTS_FILE = "weights.bin";

/** Builds a functional Keras model layer by layer, in the form of `model.json`. */
export class LayersModel {
  readonly #layers: object[] = [];
  readonly #specs: WeightSpec[] = [];
  readonly #numbers: Float32Array[] = [];
  readonly #input: string;

  constructor(input: string, shape: readonly [number, number, number]) {
    this.#input = input;
    const config = { name: input, batch_input_shape: [null, ...shape], dtype: "float32", sparse: false };
    this.#layers.push({ class_name: "InputLayer", name: input, config, inbound_nodes: [] });
  }

  get input(): Reference {
    return [this.#input, 0, 0];
  }

  /**
   * Adds a layer of Keras's class `kind` and calls it for each stream of its inputs.
   *
   * @param inputs values with the same number of streams
   */
  add(
    kind: string,
    config: object,
    inputs: readonly Value[],
    shape: Value["shape"],
    { positive = false, weights = {} }: { positive?: boolean; weights?: LayerWeights } = {},
  ): Value {
    const name = `${kind.toLowerCase()}_${this.#layers.length}`;
    const calls = inputs[0]?.streams.map((_, stream) =>
      inputs.map(({ streams }) => [...(streams[stream] ?? []), {}]),
    );
    this.#layers.push({
      class_name: kind,
      name,
      config: { name, trainable: false, ...config },
      inbound_nodes: calls,
    });
    for (const [role, { shape, data }] of Object.entries(weights)) {
      this.#specs.push({ name: `${name}/${role}`, shape, dtype: "float32" });
      this.#numbers.push(data);
    }
    return { streams: (calls ?? []).map((_, call) => [name, call, 0] as const), shape, positive };
  }

  /** @param output the model's output, with one stream */
  encode(output: Value): TfjsFiles {
    const topology = {
      class_name: "Model",
      config: {
        name: "model",
        layers: this.#layers,
        input_layers: [this.input],
        output_layers: output.streams,
      },
      keras_version: "tfjs-layers 4.22.0",
      backend: "tensor_flow.js",
    };
    const json = {
      format: "layers-model",
      generatedBy: "ekspresi",
      convertedBy: null,
      modelTopology: topology,
      weightsManifest: [{ paths: [WEIGHTS_FILE], weights: this.#specs }],
    };
    const bytes = this.#numbers.map(({ buffer, byteOffset, byteLength }) =>
      Buffer.from(buffer, byteOffset, byteLength),
    );
    return { json: Buffer.from(`${JSON.stringify(json)}\n`), weights: Buffer.concat(bytes) };
  }
}
