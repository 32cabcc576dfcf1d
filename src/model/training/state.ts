import { Random } from "../data/random.js";
import { initialValue } from "../layers/initial.js";
import { isLearnt, type Parameter, type Values } from "../layers/parameters.js";

/** Everything that training changes, as one flat array per purpose; the learnt parameters come first in each. */
export class TrainingState {
  readonly parameters: readonly Parameter[];
  /** How many of the leading numbers are learnt; the rest are batch statistics. */
  readonly learnt: number;
  /** In shared memory, for the training threads. */
  readonly weights: Float32Array<SharedArrayBuffer>;
  /** Moving average of `weights`. */
  readonly average: Float32Array;
  /** Momentum; with Adam, the mean and the uncentred variance of the gradient. */
  readonly moments: readonly [Float32Array, Float32Array];
  readonly #offsets = new Map<string, number>();

  /** @param parameters as returned by `parametersOf` */
  constructor(parameters: readonly Parameter[], seed: number) {
    this.parameters = [
      ...parameters.filter(isLearnt),
      ...parameters.filter((parameter) => !isLearnt(parameter)),
    ];
    let end = 0;
    for (const { name, size } of this.parameters) {
      this.#offsets.set(name, end);
      end += size;
    }
    this.learnt = parameters.filter(isLearnt).reduce((sum, { size }) => sum + size, 0);
    this.weights = new Float32Array(new SharedArrayBuffer(end * Float32Array.BYTES_PER_ELEMENT));
    const views = this.views(this.weights);
    for (const [i, parameter] of this.parameters.entries())
      views.get(parameter.name)?.set(initialValue(parameter, new Random(seed, i)));
    this.average = this.weights.slice();
    this.moments = [new Float32Array(this.learnt), new Float32Array(this.learnt)];
  }

  /** The arrays that a checkpoint stores, always in this order. */
  get arrays(): readonly Float32Array[] {
    return [this.weights, this.average, ...this.moments];
  }

  /** Parameters by name, as views into a flat array as long as `weights`. */
  views(flat: Float32Array): Values {
    return new Map(
      this.parameters.map(({ name, size }) => {
        const start = this.#offsets.get(name) ?? 0;
        return [name, flat.subarray(start, start + size)];
      }),
    );
  }
}
