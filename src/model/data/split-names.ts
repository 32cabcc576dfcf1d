/** Splits as they are shown, by the ways in which data sets and recipes write them: in small letters, without `_`. */
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

/** The official spelling: `training` of `Train`, `validation` of `val`; undefined where no data set names a split so. */
export function officialSplit(name: string): string | undefined {
  return OFFICIAL.get(name.toLowerCase().replaceAll("_", ""));
}

/** Whether one of the names means this split, however both are written. */
export function isNamed(split: string, names: readonly string[]): boolean {
  const plain = (name: string) => officialSplit(name) ?? name.toLowerCase();
  return names.some((name) => plain(name) === plain(split));
}
