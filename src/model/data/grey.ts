import sharp from "sharp";

/**
 * A picture file as grey levels of the given size, cut to its shape around the middle: luma by BT.601's weights, as the
 * brightness that a video's faces come with; turned as its EXIF says; what is transparent lies on black.
 * Throws what the decoder says.
 */
export async function greyPicture(file: string, width: number, height: number): Promise<Uint8Array> {
  const colours = await sharp(file, { failOn: "error" })
    .rotate()
    .flatten()
    .toColourspace("srgb")
    .resize(width, height, { fit: "cover" })
    .raw()
    .toBuffer();
  return lumaOf(colours);
}

/** Of red, green and blue. In whole numbers, so that grey stays what it is; libvips' own grey weighs light, not levels. */
function lumaOf(colours: Uint8Array): Uint8Array {
  const luma = new Uint8Array(colours.length / 3);
  for (let i = 0; i < luma.length; i++) {
    const red = colours[3 * i] ?? 0;
    const green = colours[3 * i + 1] ?? 0;
    const blue = colours[3 * i + 2] ?? 0;
    luma[i] = (299 * red + 587 * green + 114 * blue + 500) / 1000;
  }
  return luma;
}
