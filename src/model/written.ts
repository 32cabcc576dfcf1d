import { diskReason } from "../disk.js";
import { ModelError } from "../errors.js";

/** Waits for a write; throws a `ModelError` that names the file if it fails. */
export async function written<T>(file: string, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (cause) {
    throw new ModelError("MODEL_WRITE", `${file} cannot be written: ${diskReason(cause)}`, { cause });
  }
}
