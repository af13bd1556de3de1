import type { Grey } from '../picture/grey.ts';
import { side } from './shape.ts';

/** MNIST's digits were scaled to this box and then centred in 28x28 by their mass. */
const box = 20;
/** What is darker counts as background. */
const threshold = 0.15;

/**
 * A picture of one digit as MNIST would have it: light on black, its longer side 20 pixels, its centre of mass in the
 * middle of 28x28 (LeCun et al., the MNIST page). Dark writing on light paper is turned around. A picture of 28x28 with a
 * dark border is left as it is.
 *
 * @returns 784 multiples of 1/255; all 0 where the picture holds nothing.
 */
export function fitDigit(picture: Grey): Float32Array {
  const light = borderMean(picture) > 0.5;
  const grey = light ? { ...picture, data: picture.data.map((v) => 1 - v) } : picture;
  if (!light && grey.width === side && grey.height === side) return grey.data.map(toLevel);
  return centred(grey);
}

/** The digit of a picture, light on black, scaled and centred as MNIST does. */
export function centred(grey: Grey): Float32Array {
  const found = boundsOf(grey);
  if (!found) return new Float32Array(side * side);
  const scale = Math.max(found.width, found.height) / box;
  const mass = centreOfMass(grey, found);
  return Float32Array.from({ length: side * side }, (_, i) => {
    // the square of the picture that this pixel covers, the centre of mass at the middle of the image
    const left = mass.x + ((i % side) - side / 2) * scale;
    const top = mass.y + (Math.floor(i / side) - side / 2) * scale;
    return toLevel(areaMean(grey, left, top, scale));
  });
}

const toLevel = (value: number): number => Math.round(255 * Math.min(1, Math.max(0, value))) / 255;

function borderMean({ width, height, data }: Grey): number {
  let [sum, count] = [0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (x > 0 && y > 0 && x < width - 1 && y < height - 1) continue;
      sum += data[y * width + x]!;
      count++;
    }
  }
  return sum / count;
}

interface Bounds {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function boundsOf({ width, height, data }: Grey): Bounds | null {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x]! <= threshold) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function centreOfMass({ width, data }: Grey, bounds: Bounds): { readonly x: number; readonly y: number } {
  let [sum, x, y] = [0, 0, 0];
  for (let row = bounds.top; row < bounds.top + bounds.height; row++) {
    for (let column = bounds.left; column < bounds.left + bounds.width; column++) {
      const value = data[row * width + column]!;
      sum += value;
      x += value * (column + 0.5);
      y += value * (row + 0.5);
    }
  }
  return { x: x / sum, y: y / sum };
}

/** The mean of a square of the picture; outside is black. */
function areaMean({ width, height, data }: Grey, left: number, top: number, size: number): number {
  let sum = 0;
  for (let y = Math.floor(top); y < top + size; y++) {
    const tall = Math.min(y + 1, top + size) - Math.max(y, top);
    for (let x = Math.floor(left); x < left + size; x++) {
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      sum += data[y * width + x]! * tall * (Math.min(x + 1, left + size) - Math.max(x, left));
    }
  }
  return sum / (size * size);
}
