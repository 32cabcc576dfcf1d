/**
 * The text with the password of every URL in it replaced by `***`; the token of a NATS address and query values that
 * look like secrets too.
 */
export function redact(text: string): string {
  return text
    .replace(/((?:nats|tls):\/\/)[^\s:/?#@,]+@/gi, "$1***@")
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/?#@]*):[^\s/?#]*@/gi, "$1:***@")
    .replace(/([?&](?:password|passwd|pwd|token|key|secret|auth)=)[^&\s#]*/gi, "$1***");
}
