import { diskReason, ModelError } from "../errors.js";

/** Waits for a write; where it fails, throws a `ModelError` that names the file. */
export async function written<T>(file: string, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (cause) {
    throw new ModelError("MODEL_WRITE", `${file} cannot be written: ${diskReason(cause)}`, { cause });
  }
}
