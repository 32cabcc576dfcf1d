/** Closes all, even if one fails; throws the first failure. */
export async function closeAll(
  files: Iterable<{ close(whole: boolean): Promise<void> }>,
  whole: boolean,
): Promise<void> {
  const closed = await Promise.allSettled([...files].map((file) => file.close(whole)));
  for (const result of closed) if (result.status === "rejected") throw result.reason;
}
