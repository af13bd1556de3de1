import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { fontFamily, registerFonts } from './fonts.ts';
import type { ImageShape } from '../../runtime/attacks/images.ts';
import { asChange, asSeen, drawPixels, type Rgb, type Shade } from './pixels.ts';

/** What a classifier says about one image. */
export interface Prediction {
  /** The name of the most probable class. */
  readonly answer: string;
  /** Its probability, 0 to 1. */
  readonly probability: number;
}

/** One column of the figure: an image, what the attacker adds to it, and what the classifier says before and after. */
export interface Sample {
  /** The name of the true class. */
  readonly label: string;
  /** Channel by channel, row by row, 0 to 1. */
  readonly image: Float32Array;
  /** The change of each value, within [-eps, eps]. */
  readonly perturbation: Float32Array;
  /** image + perturbation; may leave [0, 1] when the attack is unclipped. */
  readonly attacked: Float32Array;
  /** The prediction for `image`. */
  readonly before: Prediction;
  /** The prediction for `attacked`. */
  readonly after: Prediction;
}

/** What the title and the footnote of the figure say about the attack. */
export interface SampleHeader {
  /** What the attacked classifier is called. */
  readonly classifier: string;
  /** The largest absolute change of a pixel (L∞), in units of the 0..1 pixel range; above 0. */
  readonly eps: number;
  /** How attacker and classifier were trained, for example `consecutive`. */
  readonly mode: string;
  /** How the attacker is kept within eps, for example `tanh`. */
  readonly bound: string;
  /** Whether attacked images are clipped to [0, 1]. */
  readonly clip: boolean;
  /** The seed of the run. */
  readonly seed: number;
  /** Accuracy of the classifier on clean test images, 0 to 1. */
  readonly before: number;
  /** Accuracy of the classifier on attacked test images, 0 to 1. */
  readonly after: number;
  /** How many test images the accuracies were measured on. */
  readonly images: number;
  /** Name of the data set. */
  readonly data: string;
  /** The size of the images: one channel, or three. */
  readonly shape: ImageShape;
}

/** What is written around samples. */
export interface SampleTexts {
  /** What the classifier is called. */
  readonly classifier: string;
  readonly title: string;
  readonly subtitle: string;
  /** Below the columns: to the left, and to the right. */
  readonly footnote: string;
  readonly origin: string;
  /** The change of a pixel that has the darkest colour, and what it is called below the scale; above 0. */
  readonly eps: number;
  readonly epsName: string;
  /** The size of the images: one channel, or three. */
  readonly shape: ImageShape;
}

const COLUMNS = 10;

// All lengths are device pixels of a figure meant to be shown at half its size.
const TILE = 140;
const GAP = 18;
const MARGIN = 48;
const LEFT = MARGIN + 214;
const WIDTH = LEFT + COLUMNS * TILE + (COLUMNS - 1) * GAP + MARGIN;
const TITLE = 82;
const SUBTITLE = 128;
const LABELS = 196;
const ORIGINAL = 216;
const PERTURBATION = ORIGINAL + TILE + 64;
const ATTACKED = PERTURBATION + TILE + 28;
const CAPTION = 36; // from the lower edge of an image to the baseline of its prediction
const FOOTNOTE = ATTACKED + TILE + 92;
const LEGEND = { width: 152, height: 14 };

const INK = '#1a1a1a';
const MUTED = '#666666';
const RULE = '#c8c8c8';
const RIGHT = '#2d5a3d';
const FOOLED = '#c1121f';

/**
 * Draws attacked images beside their originals: a column for each sample; rows for the original, the perturbation
 * (blue is -eps, white 0, red +eps; of colour images dark to bright in each channel) and the attacked image, with the prediction of the classifier under either image.
 * Pixels outside [0, 1] are clamped for view alone, and the figure says so when the attack is unclipped.
 * The fonts are bundled, so the same input gives the same bytes on the same platform.
 *
 * @param samples 1 to 10 samples, drawn from left to right.
 * @param header what the title says; `eps` also sets the colour scale.
 * @returns the bytes of a PNG, 1872 x 868 pixels, meant to be shown at half size.
 * @throws RangeError when the number of samples, the length of an image or eps is out of range.
 */
export function renderSamples(samples: readonly Sample[], header: SampleHeader): Buffer {
  const { classifier, eps, bound, clip, before, after, images, data, mode, seed, shape } = header;
  const range = clip ? 'clipped to [0, 1]' : 'unclipped';
  const shown = 'Red predictions are wrong.';
  const clamped = `Attacked pixels outside [0, 1] are clamped for view; ${classifier} saw them as they are.`;
  return drawSamples(samples, {
    classifier,
    title: `Attacker vs ${classifier} · L∞ eps ${Number(eps.toPrecision(4))} · ${range} · ${bound} bound`,
    subtitle: `${classifier} accuracy ${percent(before, 1)} → ${percent(after, 1)} on ${images.toLocaleString('en')} test images of ${data}`,
    footnote: clip ? shown : `${shown} ${clamped}`,
    origin: `${mode} training · seed ${seed}`,
    eps,
    epsName: 'eps',
    shape,
  });
}

/** The same figure with texts of one's own; see {@link renderSamples}. */
export function drawSamples(samples: readonly Sample[], header: SampleTexts): Buffer {
  validate(samples, header);
  registerFonts();
  const canvas = createCanvas(WIDTH, FOOTNOTE + MARGIN);
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);

  drawTitle(context, header);
  drawRowTitles(context, header);
  samples.forEach((sample, column) => drawColumn(context, sample, LEFT + column * (TILE + GAP), header));
  drawFootnote(context, header);
  return canvas.toBuffer('image/png');
}

function validate(samples: readonly Sample[], { eps, shape }: SampleTexts): void {
  if (samples.length < 1 || samples.length > COLUMNS) {
    throw new RangeError(`a figure shows 1 to ${COLUMNS} samples, got ${samples.length}`);
  }
  if (!(eps > 0 && eps < Infinity)) throw new RangeError(`eps must be above 0, got ${eps}`);
  const size = [shape.channels, shape.height, shape.width];
  const values = size.reduce((a, b) => a * b);
  samples.forEach((sample, index) => {
    for (const key of ['image', 'perturbation', 'attacked'] as const) {
      const { length } = sample[key];
      if (length !== values) {
        throw new RangeError(
          `samples[${index}].${key} must have ${size.join('x')} = ${values} values, got ${length}`,
        );
      }
    }
  });
}

function drawTitle(context: SKRSContext2D, { title, subtitle }: SampleTexts): void {
  write(context, title, MARGIN, TITLE, { size: 36, bold: true, width: WIDTH - 2 * MARGIN });
  write(context, subtitle, MARGIN, SUBTITLE, { size: 28, width: WIDTH - 2 * MARGIN });
}

function drawRowTitles(context: SKRSContext2D, header: SampleTexts): void {
  const titled = (top: number, title: string): void =>
    write(context, title, MARGIN, top + TILE / 2 + 9, { size: 26, bold: true });
  const hint = (text: string, baseline: number): void =>
    write(context, text, MARGIN, baseline, { size: 21, colour: MUTED });

  hint('true class', LABELS);
  titled(ORIGINAL, 'Original');
  hint(`${header.classifier} says`, ORIGINAL + TILE + CAPTION);
  titled(PERTURBATION - 32, 'Perturbation');
  drawLegend(context, MARGIN, PERTURBATION + TILE / 2 + 2, header);
  titled(ATTACKED, 'Attacked');
  hint(`${header.classifier} says`, ATTACKED + TILE + CAPTION);
}

function drawLegend(
  context: SKRSContext2D,
  x: number,
  y: number,
  { epsName, shape: { channels } }: SampleTexts,
): void {
  const { width, height } = LEGEND;
  const gradient = context.createLinearGradient(x, 0, x + width, 0);
  [-1, 0, 1].forEach((value, stop) => {
    const colour = asChange(1)(new Array<number>(channels).fill(value));
    gradient.addColorStop(stop / 2, css(colour));
  });
  context.fillStyle = gradient;
  context.fillRect(x, y, width, height);
  frame(context, x, y, width, height);
  const baseline = y + height + 24;
  write(context, `−${epsName}`, x, baseline, { size: 19, colour: MUTED });
  write(context, '0', x + width / 2, baseline, { size: 19, colour: MUTED, align: 'center' });
  write(context, `+${epsName}`, x + width, baseline, { size: 19, colour: MUTED, align: 'right' });
}

function drawColumn(context: SKRSContext2D, sample: Sample, x: number, { eps, shape }: SampleTexts): void {
  const centre = x + TILE / 2;
  write(context, sample.label, centre, LABELS, { size: 24, bold: true, align: 'center', width: TILE });
  drawTile(context, sample.image, shape, asSeen, x, ORIGINAL);
  drawTile(context, sample.perturbation, shape, asChange(eps), x, PERTURBATION);
  drawTile(context, sample.attacked, shape, asSeen, x, ATTACKED);
  const rows = [
    [ORIGINAL, sample.before],
    [ATTACKED, sample.after],
  ] as const;
  for (const [top, { answer, probability }] of rows) {
    write(context, `${answer} (${percent(probability, 0)})`, centre, top + TILE + CAPTION, {
      size: 24,
      align: 'center',
      width: TILE,
      ...(answer === sample.label ? { colour: RIGHT } : { colour: FOOLED, bold: true }),
    });
  }
}

function drawTile(
  context: SKRSContext2D,
  values: Float32Array,
  shape: ImageShape,
  shade: Shade,
  x: number,
  y: number,
): void {
  const longest = Math.max(shape.height, shape.width);
  const scale = Math.floor(TILE / longest);
  const canvas = drawPixels(values, shape, shade, Math.max(1, scale));
  // what is larger than its place is made smaller, and then a pixel of it is no square any more
  const shrink = scale < 1 ? TILE / longest : 1;
  const [width, height] = [Math.round(canvas.width * shrink), Math.round(canvas.height * shrink)];
  const [left, top] = [x + Math.round((TILE - width) / 2), y + Math.round((TILE - height) / 2)];
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(canvas, left, top, width, height);
  frame(context, left, top, width, height);
}

function drawFootnote(context: SKRSContext2D, { footnote, origin }: SampleTexts): void {
  write(context, footnote, MARGIN, FOOTNOTE, { size: 21, colour: MUTED });
  write(context, origin, WIDTH - MARGIN, FOOTNOTE, { size: 21, colour: MUTED, align: 'right' });
}

/** A hairline around, not over, the given rectangle. */
function frame(context: SKRSContext2D, x: number, y: number, width: number, height: number): void {
  context.strokeStyle = RULE;
  context.lineWidth = 2;
  context.strokeRect(x - 1, y - 1, width + 2, height + 2);
}

interface TextStyle {
  readonly size: number;
  readonly bold?: boolean;
  readonly colour?: string;
  readonly align?: 'left' | 'center' | 'right';
  /** Longer text is made narrower. */
  readonly width?: number;
}

function write(context: SKRSContext2D, text: string, x: number, baseline: number, style: TextStyle): void {
  const { size, bold = false, colour = INK, align = 'left', width } = style;
  context.font = `${bold ? 'bold ' : ''}${size}px "${fontFamily}"`;
  context.fillStyle = colour;
  context.textAlign = align;
  context.fillText(text, x, baseline, width);
}

function css([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}

function percent(fraction: number, digits: number): string {
  return `${(100 * fraction).toFixed(digits)} %`;
}
