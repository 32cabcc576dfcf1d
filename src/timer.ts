/** The longest timeout, ms (24 days): Node reduces longer ones to one millisecond. */
export const MOST_TIMER_MS = 2 ** 31 - 1;
