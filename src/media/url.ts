/** True for an address such as `rtsp://door/1`; a Windows path with its one letter before the colon is none. */
export function isUrl(path: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(path);
}
