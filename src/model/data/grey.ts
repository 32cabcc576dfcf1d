import sharp from "sharp";

/**
 * A picture file as grey levels of the given size, cropped around the centre to its aspect ratio. Uses luma with
 * BT.601's weights, like the frames of a video; rotates as EXIF says; transparent areas become black. Throws the
 * decoder's error.
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

/**
 * Luma of RGB pixels. Integer arithmetic keeps grey as it is; libvips' own greyscale weighs linear light, not levels.
 */
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
