/** Position of each class among a model's, which may have them in another order; undefined if it has other classes. */
export function positionsOf(labels: readonly string[], theirs: readonly string[]): number[] | undefined {
  const positions = labels.map((label) => theirs.indexOf(label));
  return theirs.length === labels.length && !positions.includes(-1) ? positions : undefined;
}
