import type { ImageShape } from '../../runtime/attacks/images.ts';
import { paint, type Palette } from './palette.ts';

/** A picture to show around: what was attacked, how, what came of it, and where to try it. */
export interface Card {
  /** A sentence in two parts, the second the stronger one. */
  readonly title: string;
  readonly rest: string;
  /** What was done, with its numbers. */
  readonly lines: readonly string[];
  readonly image: ImageShape;
  readonly tiles: readonly {
    readonly title: string;
    readonly values: Float32Array;
    readonly palette: Palette;
  }[];
  readonly answers: readonly {
    /** Empty where there is one classifier only. */
    readonly who: string;
    readonly before: string;
    readonly after: string;
    readonly isWrong: boolean;
  }[];
  /** The address that shows the same. */
  readonly link: string;
}

// All lengths are device pixels of a picture that is meant to be shown at half its size.
/** The longer side of an image. */
const longest = 336;
const gap = 40;
const margin = 56;
const ink = '#1c1b19';
const muted = '#6a665e';
const fooled = '#b2182b';
const sans = "'Source Sans 3', sans-serif";
const serif = "'Source Serif 4', serif";

interface Style {
  readonly font: string;
  readonly colour: string;
  /** From line to line. */
  readonly leading: number;
}
const styles = {
  title: { font: `400 48px ${serif}`, colour: ink, leading: 58 },
  rest: { font: `600 48px ${serif}`, colour: ink, leading: 58 },
  space: { font: `400 24px ${sans}`, colour: muted, leading: 14 },
  line: { font: `400 24px ${sans}`, colour: muted, leading: 32 },
  tile: { font: `400 24px ${sans}`, colour: ink, leading: 32 },
  who: { font: `600 26px ${sans}`, colour: ink, leading: 44 },
  answer: { font: `400 26px ${sans}`, colour: ink, leading: 44 },
  wrong: { font: `400 26px ${sans}`, colour: fooled, leading: 44 },
  link: { font: `400 22px ${sans}`, colour: muted, leading: 28 },
} as const satisfies Readonly<Record<string, Style>>;

/** Addresses longer than this hold a whole picture, and nobody types them: the part that does is left out. */
const longestLink = 400;

/** Draws a card as a PNG. */
export async function drawCard({ title, rest, lines, image, tiles, answers, link }: Card): Promise<Blob> {
  await fontsLoaded();
  const scale = longest / Math.max(image.width, image.height);
  const [wide, tall] = [Math.round(scale * image.width), Math.round(scale * image.height)];
  // room for the titles, however narrow the images are
  const column = Math.max(wide, longest);
  const width = 2 * margin + tiles.length * column + (tiles.length - 1) * gap;
  const pen = new OffscreenCanvas(1, 1).getContext('2d')!;
  const fitted = (text: string, { font }: Style): readonly string[] =>
    wrapped(text, width - 2 * margin, (part) => {
      pen.font = font;
      return pen.measureText(part).width;
    });
  const shownLink = link.length > longestLink ? link.split('#', 1)[0]! : link;
  const head = [
    ...fitted(title, styles.title).map((text) => ({ text, style: styles.title })),
    ...(rest ? fitted(rest, styles.rest).map((text) => ({ text, style: styles.rest })) : []),
    { text: '', style: styles.space },
    ...lines.flatMap((line) => fitted(line, styles.line).map((text) => ({ text, style: styles.line }))),
    { text: '', style: styles.space },
  ];
  const foot = fitted(shownLink, styles.link);
  const top = margin + head.reduce((sum, { style }) => sum + style.leading, 0) + gap;
  const below = top + tall + gap;
  const height =
    below + answers.length * styles.answer.leading + gap / 2 + foot.length * styles.link.leading + margin;

  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  const write = (text: string, x: number, baseline: number, { font, colour }: Style): void => {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, x, baseline);
  };
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  let baseline = margin;
  for (const { text, style } of head) write(text, margin, (baseline += style.leading) - 12, style);
  for (const [i, { title: name, values, palette }] of tiles.entries()) {
    const x = margin + i * (column + gap);
    write(name, x, top - 14, styles.tile);
    const small = new OffscreenCanvas(image.width, image.height);
    const bytes = paint(values, image, palette);
    small.getContext('2d')!.putImageData(new ImageData(bytes, image.width, image.height), 0, 0);
    context.drawImage(small, x, top, wide, tall);
    context.strokeStyle = '#c9c4ba';
    context.lineWidth = 2;
    context.strokeRect(x - 1, top - 1, wide + 2, tall + 2);
  }
  for (const [i, { who, before, after, isWrong }] of answers.entries()) {
    const y = below + (i + 0.7) * styles.answer.leading;
    const indent = who ? margin + 340 : margin;
    write(who, margin, y, styles.who);
    write(before, indent, y, styles.answer);
    write(`→  ${after}`, indent + 260, y, isWrong ? styles.wrong : styles.answer);
  }
  for (const [i, text] of foot.entries()) {
    const y = height - margin - (foot.length - 1 - i) * styles.link.leading;
    write(text, margin, y, styles.link);
  }
  return await canvas.convertToBlob({ type: 'image/png' });
}

/** A canvas draws with another font while its own is on its way. */
async function fontsLoaded(): Promise<void> {
  const fonts = new Set(Object.values(styles).map(({ font }) => font));
  await Promise.all([...fonts].map((font) => document.fonts.load(font).catch(() => {})));
}

/**
 * A text in lines: broken at spaces and between the parts of an address, and elsewhere where a part is longer than a line.
 *
 * @param widthOf a text has.
 */
export function wrapped(text: string, width: number, widthOf: (text: string) => number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of text.split(/(?<=[ &])/)) {
    if (line !== '' && widthOf((line + part).trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    for (const letter of part) {
      if (line !== '' && widthOf((line + letter).trimEnd()) > width) {
        lines.push(line);
        line = '';
      }
      line += letter;
    }
  }
  return [...lines, line.trimEnd()];
}
