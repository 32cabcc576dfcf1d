/** True for an address such as `rtsp://door/1`; false for a Windows path, with a single letter before the colon. */
export function isUrl(path: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(path);
}
