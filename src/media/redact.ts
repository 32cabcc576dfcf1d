/**
 * The text with the password of every URL in it replaced by `***`; the token of a NATS address and query values that
 * look like secrets too, and what looks like an address whose scheme was forgotten. A password with a bare `/`, `?`, `#`
 * or `@` in it, which no URL may have, is hidden as well, unless it is digits up to there: that is a port.
 */
export function redact(text: string): string {
  return text
    .replace(/((?:nats|tls):\/\/)[^\s:/?#@,]+@/gi, "$1***@")
    .replace(USER_AND_PASSWORD, "$1:***@")
    .replace(WITHOUT_SCHEME, "$1:***@")
    .replace(/([?&][\w.-]*(?:pass|pas|passwd|password|pwd|token|key|secret|auth|sig)=)[^&\s#]*/gi, "$1***");
}

// What follows the colon is a port where it is digits alone, else a password up to the last `@` of this address; the
// next one of a list begins after a comma.
// Bounds, and that a name begins where none goes on, keep the time in proportion to the text, whatever it is.
const USER_AND_PASSWORD =
  /([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/?#@]*):(?!\d+(?:[/?#\s]|$))(?:(?!,[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s"'<>]){0,2000}@/gi;
const WITHOUT_SCHEME = /(?<![\w.%+-])([\w.%+-]+):([^\s:/?#@"'<>]+)@(?=[\w[])/g;

/** Whether an option of this name is told to nobody. */
export function isSecret(name: string | undefined): boolean {
  return name === "password" || name === "token";
}
