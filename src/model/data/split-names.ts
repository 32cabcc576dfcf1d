/** Display names of splits, by the spellings found in data sets and recipes (in lower case, without `_`). */
const OFFICIAL: ReadonlyMap<string, string> = new Map([
  ["train", "training"],
  ["training", "training"],
  ["val", "validation"],
  ["valid", "validation"],
  ["validation", "validation"],
  ["test", "test"],
  ["testing", "test"],
  ["publictest", "PublicTest"],
  ["privatetest", "PrivateTest"],
]);

/**
 * The official spelling: `training` for `Train`, `validation` for `val`; undefined if it is not a usual name of a
 * split.
 */
export function officialSplit(name: string): string | undefined {
  return OFFICIAL.get(name.toLowerCase().replaceAll("_", ""));
}

/** Whether one of the names means this split, however either is spelled. */
export function isNamed(split: string, names: readonly string[]): boolean {
  const plain = (name: string) => officialSplit(name) ?? name.toLowerCase();
  return names.some((name) => plain(name) === plain(split));
}
