/** The longest time that a timer takes, ms (24 days): Node cuts longer ones down to one millisecond. */
export const MOST_TIMER_MS = 2 ** 31 - 1;
