import { nameOf } from '../runtime/classifier-card.ts';
import { shownAttacks } from './attacks.ts';
import { classifierName, number, percent } from './format.ts';
import type { ClassifierName } from './engine/protocol.ts';
import { diverging, grey, paint, type Palette } from './picture/palette.ts';
import type { Shown } from './record.ts';
import { highest, verdict } from './verdict.ts';

// All lengths are device pixels of a figure that is meant to be shown at half its size.
/** The longer side of an image. */
const longest = 336;
const gap = 40;
const margin = 56;
const top = 176;
const ink = '#1c1b19';
const muted = '#6a665e';
const fooled = '#b2182b';

/** What the page shows as a figure for a paper or a slide: three images, norms, and what each classifier says. */
export async function figureOf({ choice, clean, outcomes, lineUp, manifest }: Shown): Promise<Blob> {
  const { method, pixels, eps, clip, bits } = choice;
  const outcome = outcomes[method]!;
  const card = manifest.classifier;
  const { image } = card;
  const scale = longest / Math.max(image.width, image.height);
  const [wide, tall] = [Math.round(scale * image.width), Math.round(scale * image.height)];
  const names = Object.keys(clean.predictions) as ClassifierName[];
  // room for the titles, however narrow the images are
  const column = Math.max(wide, longest);
  const width = 2 * margin + 3 * column + 2 * gap;
  const canvas = new OffscreenCanvas(width, top + tall + 92 + 44 * names.length + margin);
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;

  const { kind } = verdict(
    clean.predictions[lineUp.target]!,
    outcome.predictions[lineUp.target]!,
    clean.label,
  );
  write(
    context,
    `${shownAttacks[method].title}, L∞ eps ${number(eps, 4)}: ${kind}`,
    margin,
    78,
    38,
    ink,
    true,
  );
  const range = bits === 8 ? '8-bit pixels' : clip ? 'clipped to [0, 1]' : 'unclipped';
  const line = `${range} · L∞ ${number(outcome.linf)} · L2 ${outcome.l2.toFixed(2)} · run ${manifest.run}`;
  write(context, line, margin, 120, 24, muted);

  const signed = diverging('light', eps);
  const change = outcome.attacked.map((x, i) => x - pixels[i]!);
  const tiles: readonly (readonly [string, Float32Array, Palette])[] = [
    ['Original', pixels, grey],
    [`Perturbation, ±${number(eps, 4)}`, change, signed],
    ['Attacked', outcome.attacked, grey],
  ];
  for (const [i, [title, values, palette]] of tiles.entries()) {
    const x = margin + i * (column + gap);
    write(context, title, x, top - 14, 24, ink);
    const small = new OffscreenCanvas(image.width, image.height);
    small
      .getContext('2d')!
      .putImageData(new ImageData(paint(values, image, palette), image.width, image.height), 0, 0);
    context.drawImage(small, x, top, wide, tall);
    context.strokeStyle = '#c9c4ba';
    context.lineWidth = 2;
    context.strokeRect(x - 1, top - 1, wide + 2, tall + 2);
  }
  for (const [i, name] of names.entries()) {
    const y = top + tall + 66 + 44 * i;
    const [before, after] = [clean.predictions[name]!, outcome.predictions[name]!];
    const [from, to] = [highest(before), highest(after)];
    write(context, classifierName(name, lineUp.target), margin, y, 26, ink, true);
    write(context, `${nameOf(card, from)} (${percent(before[from]!)})`, margin + 340, y, 26, ink);
    write(
      context,
      `→  ${nameOf(card, to)} (${percent(after[to]!)})`,
      margin + 560,
      y,
      26,
      to === clean.label ? ink : fooled,
    );
  }
  return await canvas.convertToBlob({ type: 'image/png' });
}

function write(
  context: OffscreenCanvasRenderingContext2D,
  text: string,
  x: number,
  baseline: number,
  size: number,
  colour: string,
  bold = false,
): void {
  context.font = `${bold ? 600 : 400} ${size}px 'Source Sans 3', sans-serif`;
  context.fillStyle = colour;
  context.fillText(text, x, baseline);
}
