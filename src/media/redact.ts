/**
 * The text with the password of every URL in it replaced by `***`, as well as the token of a NATS address, query values
 * that look like secrets, and passwords in what looks like an address without its scheme. A password that contains a
 * bare `/`, `?`, `#` or `@`, which URLs do not allow, is hidden too, unless it is all digits up to there: that is a
 * port.
 */
export function redact(text: string): string {
  return text
    .replace(/((?:nats|tls):\/\/)[^\s:/?#@,]+@/gi, "$1***@")
    .replace(USER_AND_PASSWORD, "$1:***@")
    .replace(WITHOUT_SCHEME, "$1:***@")
    .replace(/([?&][\w.-]*(?:pass|pas|passwd|password|pwd|token|key|secret|auth|sig)=)[^&\s#]*/gi, "$1***");
}

// What follows the colon is a port if it is all digits, otherwise a password up to the last `@` of this address; the
// next address in a list starts after a comma. Bounded repetitions, and the lookbehind that lets a name match only at
// its start, keep the time proportional to the length of the text, whatever it is.
const USER_AND_PASSWORD =
  /([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/?#@]*):(?!\d+(?:[/?#\s]|$))(?:(?!,[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s"'<>]){0,2000}@/gi;
const WITHOUT_SCHEME = /(?<![\w.%+-])([\w.%+-]+):([^\s:/?#@"'<>]+)@(?=[\w[])/g;

/** Whether the value of an option of this name must never be shown. */
export function isSecret(name: string | undefined): boolean {
  return name === "password" || name === "token";
}
