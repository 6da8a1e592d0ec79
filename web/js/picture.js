// Whatever a page has as a picture, as RGBA bytes.

import { fail } from "./failure.js";

/** Larger pictures are scaled down to so many pixels: no mask needs more, and memory is short. */
export const MAX_PIXELS = 4 << 20;

/**
 * Upright RGBA of a Blob, ImageBitmap, ImageData, canvas, video or image element; of an animation
 * its first frame.
 */
export async function pixelsOf(source, maxPixels) {
  if (source instanceof Blob && source.size === 0) {
    fail("bad_picture", "The file is empty (0 bytes)", "download or export it again");
  }
  if (source instanceof HTMLImageElement) {
    // An element that is still loading has no pixels yet.
    await source.decode().catch(() => {});
  }
  let bitmap;
  try {
    bitmap = source instanceof ImageBitmap ? source : await createImageBitmap(source);
  } catch (error) {
    fail("bad_picture", `The browser cannot read this picture (${error.message})`, "use a PNG, JPEG, WebP or GIF");
  }
  try {
    const { width, height } = fitted(bitmap.width, bitmap.height, maxPixels);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, width, height);
    return { width, height, rgba: context.getImageData(0, 0, width, height).data.buffer };
  } catch (error) {
    return fail("bad_picture", `The picture cannot be read (${error.message})`, "use a smaller picture of this page's origin");
  } finally {
    if (bitmap !== source) bitmap.close();
  }
}

function fitted(width, height, maxPixels) {
  const scale = Math.min(1, Math.sqrt(maxPixels / (width * height)));
  const side = (length) => Math.max(1, Math.floor(length * scale));
  return { width: side(width), height: side(height) };
}
