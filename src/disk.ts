import { messageOf } from "./errors.js";

/** Why a file could not be written, as text for users. */
export function diskReason(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOSPC: "the disk is full",
    ENOENT: "its folder does not exist and cannot be created",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
    EISDIR: "it is a folder",
    ENOTDIR: "a part of its path is a file",
    EEXIST: "a part of its path is a file",
    EDQUOT: "the disk quota is exceeded",
    ENAMETOOLONG: "its name is too long",
    ...(process.platform === "win32" && {
      EBUSY: "another program has it open",
      EPERM: "permission denied, or another program has it open",
    }),
  };
  return known[code ?? ""] ?? messageOf(cause);
}
