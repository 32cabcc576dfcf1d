// Compiles the default cascade of `detect`, so that runs need not do so when they start.
import { writeFileSync } from "node:fs";
import { parseCascade, readCascadeFile } from "#src/haar/cascade.js";
import { cascadeCode } from "#src/haar/compile.js";
import { prepared, preparedName } from "#src/haar/ready.js";

const file = "models/haarcascades/haarcascade_frontalface_default.xml";
const text = await readCascadeFile(file);
writeFileSync(`dist/haar/${preparedName(text)}`, prepared(cascadeCode(await parseCascade(text, file))));
