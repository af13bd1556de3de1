import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stream } from '../../src/runtime/random.ts';

/** The classes of the pictures, sorted. */
export const pictureClasses = ['circle', 'square', 'triangle'] as const;

/** One picture of a folder. */
export interface WrittenPicture {
  /** Its path in the folder, such as `circle/03.png`. */
  readonly file: string;
  readonly label: (typeof pictureClasses)[number];
}

/** How pictures are written. */
export interface PictureOptions {
  /** Default 20, which makes 60 pictures. */
  readonly perClass?: number;
  /** The length of both sides; left out, sides differ from picture to picture, 40 to 79 pixels each. */
  readonly size?: number;
  /** Default `png`. */
  readonly format?: 'png' | 'jpeg' | 'webp';
}

/**
 * Writes colour pictures, a folder for each class: a bright shape somewhere on a dark ground with spots. They are the same at
 * each call, and easy to tell apart.
 *
 * @param folder is made if need be.
 */
export async function writePictures(
  folder: string,
  { perClass = 20, size, format = 'png' }: PictureOptions = {},
): Promise<readonly WrittenPicture[]> {
  const written: WrittenPicture[] = [];
  for (const label of pictureClasses) {
    await mkdir(join(folder, label), { recursive: true });
    for (let i = 0; i < perClass; i++) {
      const file = `${label}/${String(i).padStart(2, '0')}.${format === 'jpeg' ? 'jpg' : format}`;
      const { below } = stream('pictures', label, i);
      const [width, height] = [size ?? 40 + below(40), size ?? 40 + below(40)];
      const canvas = createCanvas(width, height);
      draw(canvas.getContext('2d'), label, { width, height }, below);
      await writeFile(
        join(folder, file),
        format === 'png' ? canvas.toBuffer('image/png') : await canvas.encode(format),
      );
      written.push({ file, label });
    }
  }
  return written;
}

function draw(
  context: SKRSContext2D,
  label: WrittenPicture['label'],
  { width, height }: { readonly width: number; readonly height: number },
  below: (n: number) => number,
): void {
  const colour = (from: number, range: number): string =>
    `rgb(${[0, 1, 2].map(() => from + below(range)).join()})`;
  context.fillStyle = colour(0, 60);
  context.fillRect(0, 0, width, height);
  for (let spot = 0; spot < 12; spot++) {
    context.fillStyle = colour(30, 60);
    context.fillRect(below(width), below(height), 1 + below(4), 1 + below(4));
  }
  const radius = Math.min(width, height) / 4;
  const [x, y] = [width / 2 + below(9) - 4, height / 2 + below(9) - 4];
  context.fillStyle = colour(150, 106);
  context.beginPath();
  if (label === 'circle') context.arc(x, y, radius, 0, 2 * Math.PI);
  else if (label === 'square') context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  else {
    context.moveTo(x, y - radius);
    context.lineTo(x + radius, y + radius);
    context.lineTo(x - radius, y + radius);
  }
  context.fill();
}
