/**
 * CPU time that `work` takes, ms: unlike time on the clock it does not grow with what else the machine does. For tests
 * that hostile input costs time in proportion to its size; speed is measured in `bench/`.
 */
export function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
