const MOST_ROUNDS = 500;
const CLOSE_ENOUGH = 1e-6;

/**
 * What to add to each logit so that a class's mean probability is its share of the labels, at the least cross-entropy
 * (the bias of vector scaling, Guo et al. 2017). Soft targets, balanced sampling and the like distort how frequent a
 * network takes classes to be; this corrects it. Found by iterative scaling, each round of which lowers the
 * cross-entropy; classes without a picture keep 0.
 *
 * @param probabilities `[label.length, classes]`
 */
export function fitPrior(probabilities: Float32Array, label: Uint8Array, classes: number): Float64Array {
  const share = new Float64Array(classes);
  for (const own of label) share[own] = (share[own] ?? 0) + 1 / label.length;
  const shift = new Float64Array(classes);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const mean = meanProbabilities(probabilities, shift);
    let largest = 0;
    for (let c = 0; c < classes; c++) {
      const [wanted = 0, now = 0] = [share[c], mean[c]];
      if (wanted === 0 || now === 0) continue;
      const step = Math.log(wanted / now);
      shift[c] = (shift[c] ?? 0) + step;
      largest = Math.max(largest, Math.abs(step));
    }
    if (largest < CLOSE_ENOUGH) break;
  }
  return shift;
}

/** Mean probabilities after shifting the logits. */
function meanProbabilities(probabilities: Float32Array, shift: Float64Array): Float64Array {
  const factor = shift.map(Math.exp);
  const classes = shift.length;
  const mean = new Float64Array(classes);
  const rows = probabilities.length / classes;
  for (let start = 0; start < probabilities.length; start += classes) {
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += (probabilities[start + c] ?? 0) * (factor[c] ?? 1);
    for (let c = 0; c < classes; c++)
      mean[c] = (mean[c] ?? 0) + ((probabilities[start + c] ?? 0) * (factor[c] ?? 1)) / (sum * rows);
  }
  return mean;
}
