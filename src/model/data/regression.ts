const ROUNDS = 100;
/** Share of the features' mean square added to each, so that features that never vary do no harm. */
const RIDGE = 1e-6;

/**
 * Multinomial logistic regression with an intercept, by the monotonic algorithm of Böhning (1992): each round solves with
 * a fixed bound of the Hessian, `X'X / 2`, so it needs no step size and never overshoots.
 *
 * @param x a row of features per example
 * @param label each example's class
 * @returns the probability of each class for a row of features
 */
export function fitRegression(
  x: readonly (readonly number[])[],
  label: readonly number[],
  classes: number,
): (features: readonly number[]) => Float64Array {
  const size = (x[0]?.length ?? 0) + 1;
  const weights = new Float64Array(size * classes);
  const factor = choleskyOf(gram(x, size), size);
  for (let round = 0; round < ROUNDS; round++) {
    const gradient = new Float64Array(size * classes);
    x.forEach((row, i) => {
      const p = predict(weights, row, classes);
      const own = label[i] ?? 0;
      p[own] = (p[own] ?? 0) - 1;
      for (let f = 0; f < size; f++) {
        const value = row[f] ?? 1;
        for (let c = 0; c < classes; c++)
          gradient[f * classes + c] = (gradient[f * classes + c] ?? 0) - value * (p[c] ?? 0);
      }
    });
    const step = solve(factor, gradient, size, classes);
    for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] ?? 0) + 2 * (step[i] ?? 0);
  }
  return (features) => predict(weights, features, classes);
}

/** Softmax of `[features, 1] * weights`. */
function predict(weights: Float64Array, row: readonly number[], classes: number): Float64Array {
  const z = new Float64Array(classes);
  for (let f = 0; f <= row.length; f++) {
    const value = row[f] ?? 1;
    for (let c = 0; c < classes; c++) z[c] = (z[c] ?? 0) + value * (weights[f * classes + c] ?? 0);
  }
  const highest = Math.max(...z);
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    z[c] = Math.exp((z[c] ?? 0) - highest);
    sum += z[c] ?? 0;
  }
  for (let c = 0; c < classes; c++) z[c] = (z[c] ?? 0) / sum;
  return z;
}

/** `X'X` with the intercept's column of ones, and the ridge. */
function gram(x: readonly (readonly number[])[], size: number): Float64Array {
  const product = new Float64Array(size * size);
  for (const row of x)
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        product[i * size + j] = (product[i * size + j] ?? 0) + (row[i] ?? 1) * (row[j] ?? 1);
  let trace = 0;
  for (let i = 0; i < size; i++) trace += product[i * size + i] ?? 0;
  for (let i = 0; i < size; i++)
    product[i * size + i] = (product[i * size + i] ?? 0) + (RIDGE * trace) / size + Number.EPSILON;
  return product;
}

/** The lower triangular `L` with `L L' = a`. */
function choleskyOf(a: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      let rest = a[i * size + j] ?? 0;
      for (let k = 0; k < j; k++) rest -= (lower[i * size + k] ?? 0) * (lower[j * size + k] ?? 0);
      lower[i * size + j] = i === j ? Math.sqrt(rest) : rest / (lower[j * size + j] ?? 1);
    }
  return lower;
}

/** Solves `L L' y = b` for each column of `b`, `[size, columns]`. */
function solve(lower: Float64Array, b: Float64Array, size: number, columns: number): Float64Array {
  const y = b.slice();
  for (let c = 0; c < columns; c++) {
    for (let i = 0; i < size; i++) {
      let rest = y[i * columns + c] ?? 0;
      for (let k = 0; k < i; k++) rest -= (lower[i * size + k] ?? 0) * (y[k * columns + c] ?? 0);
      y[i * columns + c] = rest / (lower[i * size + i] ?? 1);
    }
    for (let i = size - 1; i >= 0; i--) {
      let rest = y[i * columns + c] ?? 0;
      for (let k = i + 1; k < size; k++) rest -= (lower[k * size + i] ?? 0) * (y[k * columns + c] ?? 0);
      y[i * columns + c] = rest / (lower[i * size + i] ?? 1);
    }
  }
  return y;
}
