/**
 * Channel counts times a width multiplier (MobileNet, Howard et al. 2017), rounded to multiples of eight: runtimes pad
 * to those anyway.
 */
export function widened<const T extends readonly number[]>(
  channels: T,
  width: number,
): { [K in keyof T]: number } {
  const wide = (count: number) => (width === 1 ? count : Math.max(8, Math.round((count * width) / 8) * 8));
  return channels.map(wide) as { [K in keyof T]: number };
}
