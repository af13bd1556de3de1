import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { fontFamily, registerFonts } from './fonts.ts';
import type { ImageShape } from '../../runtime/attacks/images.ts';
import { asChange, asSeen, drawPixels, type Rgb, type Shade } from './pixels.ts';

/** What a classifier says about one image. */
export interface Prediction {
  /** The name of the most probable class. */
  readonly answer: string;
  /** Its probability, 0 to 1; null where it gives none. */
  readonly probability: number | null;
  /** Whether it is the true class: two classes may share a name. */
  readonly right: boolean;
}

/** One column of the figure: an image, what the attacker adds to it, and what the classifier says before and after. */
export interface Sample {
  /** The name of the true class. */
  readonly label: string;
  /** Channel by channel, row by row, 0 to 1. */
  readonly image: Float32Array;
  /** The change of each value, within [-scale.end, scale.end]; what is larger is drawn as that. */
  readonly perturbation: Float32Array;
  /** image + perturbation; may leave [0, 1] when the attack is unclipped. */
  readonly attacked: Float32Array;
  /** The prediction for `image`. */
  readonly before: Prediction;
  /** The prediction for `attacked`. */
  readonly after: Prediction;
}

/** What stands around the samples. */
export interface SampleHeader {
  /** Made narrower where it is too long for the figure, as is `subtitle`. */
  readonly title: string;
  readonly subtitle: string;
  /** Below the figure, at its left and at its right; both together must have room. */
  readonly footnote: readonly [left: string, right: string];
  /** What stands before the classes of the images, and before the answers: `true class`, `C1 says`. */
  readonly rows: { readonly label: string; readonly answer: string };
  /** The ends of the colour scale of perturbations: how large they are, above 0, and what they are called. */
  readonly scale: { readonly end: number; readonly name: string };
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
const LETTERS = [24, 18]; // of names: as large as has room
const LEGEND = { width: 152, height: 14 };

const INK = '#1a1a1a';
const MUTED = '#666666';
const RULE = '#c8c8c8';
const RIGHT = '#2d5a3d';
const FOOLED = '#c1121f';

/**
 * Draws attacked images beside their originals: a column for each sample; rows for the original, the perturbation
 * (blue is negative, white 0, red positive; of colour images dark to bright in each channel) and the attacked image,
 * with the prediction of the classifier under either image. Pixels outside [0, 1] are clamped for view alone.
 * The fonts are bundled, so the same input gives the same bytes on the same platform.
 *
 * @param samples 1 to 10 samples, drawn from left to right.
 * @returns the bytes of a PNG, 1872 x 868 pixels, meant to be shown at half size.
 * @throws RangeError when the number of samples, the length of an image or the scale is out of range.
 */
export function renderSamples(samples: readonly Sample[], header: SampleHeader): Buffer {
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

function validate(samples: readonly Sample[], { scale, shape }: SampleHeader): void {
  if (samples.length < 1 || samples.length > COLUMNS) {
    throw new RangeError(`a figure shows 1 to ${COLUMNS} samples, got ${samples.length}`);
  }
  if (!(scale.end > 0 && scale.end < Infinity)) {
    throw new RangeError(`${scale.name} must be above 0, got ${scale.end}`);
  }
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

function drawTitle(context: SKRSContext2D, { title, subtitle }: SampleHeader): void {
  const width = WIDTH - 2 * MARGIN;
  write(context, title, MARGIN, TITLE, { size: 36, bold: true, width });
  write(context, subtitle, MARGIN, SUBTITLE, { size: 28, width });
}

function drawRowTitles(context: SKRSContext2D, { rows, scale, shape }: SampleHeader): void {
  const titled = (top: number, title: string): void =>
    write(context, title, MARGIN, top + TILE / 2 + 9, { size: 26, bold: true });
  const hint = (text: string, baseline: number): void =>
    write(context, text, MARGIN, baseline, { size: 21, colour: MUTED });

  hint(rows.label, LABELS);
  titled(ORIGINAL, 'Original');
  hint(rows.answer, ORIGINAL + TILE + CAPTION);
  titled(PERTURBATION - 32, 'Perturbation');
  drawLegend(context, MARGIN, PERTURBATION + TILE / 2 + 2, scale.name, shape);
  titled(ATTACKED, 'Attacked');
  hint(rows.answer, ATTACKED + TILE + CAPTION);
}

function drawLegend(
  context: SKRSContext2D,
  x: number,
  y: number,
  name: string,
  { channels }: ImageShape,
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
  write(context, `−${name}`, x, baseline, { size: 19, colour: MUTED });
  write(context, '0', x + width / 2, baseline, { size: 19, colour: MUTED, align: 'center' });
  write(context, `+${name}`, x + width, baseline, { size: 19, colour: MUTED, align: 'right' });
}

function drawColumn(context: SKRSContext2D, sample: Sample, x: number, { scale, shape }: SampleHeader): void {
  const centre = x + TILE / 2;
  const caption = (name: string, rest: string, baseline: number, style: Omit<TextStyle, 'size'>): void => {
    const own = { align: 'center', width: TILE, ...style } as const;
    const size =
      LETTERS.find((each) => fits(context, name + rest, { ...own, size: each })) ?? LETTERS.at(-1)!;
    const text = shortened(context, name, rest, { ...own, size });
    write(context, text + rest, centre, baseline, { ...own, size });
  };
  caption(sample.label, '', LABELS, { bold: true });
  drawTile(context, sample.image, shape, asSeen, x, ORIGINAL);
  drawTile(context, sample.perturbation, shape, asChange(scale.end), x, PERTURBATION);
  drawTile(context, sample.attacked, shape, asSeen, x, ATTACKED);
  const rows = [
    [ORIGINAL, sample.before],
    [ATTACKED, sample.after],
  ] as const;
  for (const [top, { answer, probability, right }] of rows) {
    const sure = probability === null ? '' : ` (${percent(probability)})`;
    const style = right ? { colour: RIGHT } : { colour: FOOLED, bold: true };
    caption(answer, sure, top + TILE + CAPTION, style);
  }
}

type FittedStyle = TextStyle & { readonly width: number };

/** Whether a text has room, or nearly so: it is then made a little narrower. */
function fits(context: SKRSContext2D, text: string, style: FittedStyle): boolean {
  setFont(context, style);
  return context.measureText(text).width <= 1.25 * style.width;
}

/** As much of a name as has room together with what follows it. */
function shortened(context: SKRSContext2D, name: string, rest: string, style: FittedStyle): string {
  if (fits(context, name + rest, style)) return name;
  const letters = Array.from(new Intl.Segmenter().segment(name), ({ segment }) => segment);
  while (letters.length > 1 && !fits(context, `${letters.join('')}…${rest}`, style)) letters.pop();
  return `${letters.join('').trimEnd()}…`;
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

function drawFootnote(context: SKRSContext2D, { footnote: [left, right] }: SampleHeader): void {
  write(context, left, MARGIN, FOOTNOTE, { size: 21, colour: MUTED });
  write(context, right, WIDTH - MARGIN, FOOTNOTE, { size: 21, colour: MUTED, align: 'right' });
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
  const { colour = INK, align = 'left', width } = style;
  setFont(context, style);
  context.fillStyle = colour;
  context.textAlign = align;
  context.fillText(text, x, baseline, width);
}

function setFont(context: SKRSContext2D, { size, bold = false }: TextStyle): void {
  context.font = `${bold ? 'bold ' : ''}${size}px "${fontFamily}"`;
}

function css([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(0)} %`;
}
