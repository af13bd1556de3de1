import type { Said } from './beside.ts';
import type { Opening } from './opening.ts';
import type { AdoptOptions, Scale } from './options.ts';
import type { FileElement } from './plans.ts';

/** How pixels become the values that a file takes, and who says so. */
export interface Preprocessing {
  /** value = pixel * scale + shift, one of each for every channel of the file. */
  readonly scale: readonly number[];
  readonly shift: readonly number[];
  /** In words: `pixels 0..1, mean 0.5, std 0.5 (preprocessor_config.json)`. */
  readonly text: string;
}

/** pixel of 0..1 -> pixel * factor + offset */
const units: { readonly [S in Scale]: readonly [factor: number, offset: number] } = {
  '0..1': [1, 0],
  '0..255': [255, 0],
  '-1..1': [2, -1],
};

/** Who may say how pixels are prepared. */
export interface Sayers {
  readonly options: Pick<AdoptOptions, 'scale' | 'mean' | 'std'>;
  /** What the graph begins with. */
  readonly opening: Opening | null;
  readonly beside: Said | null;
}

/**
 * How pixels of 0..1 become the values that a file takes. The options decide. A scaling that the graph begins with says
 * that it wants pixels as they are, unless the files beside the model say another one. Then those files decide; where
 * nothing does, float pixels of 0..1 and bytes of 0..255 are assumed.
 *
 * @param channels of the file.
 * @throws Error in one line when there are more or fewer means than channels, or a std is not above 0.
 */
export function preprocessing(
  { options, opening, beside }: Sayers,
  { element, channels }: { readonly element: FileElement; readonly channels: number },
): Preprocessing {
  const usual: Scale = element === 'uint8' || element === 'int32' ? '0..255' : '0..1';
  if (options.scale !== undefined || options.mean || options.std) {
    return made({ scale: usual, ...options }, channels, 'as the options say');
  }
  const said = beside?.scale === undefined ? null : besideOf(beside, beside.scale, channels);
  if (opening && (!said || isOf(opening, said))) {
    return made({ scale: unitOf(opening) }, channels, `the file begins with ${showOpening(opening)}`);
  }
  if (said) return said;
  const why = usual === '0..255' ? `the input is ${element}` : 'assumed: nothing says otherwise';
  return made({ scale: usual }, channels, why);
}

const besideOf = ({ mean, std, source }: Said, scale: Scale, channels: number): Preprocessing =>
  made({ scale, ...(mean && { mean }), ...(std && { std }) }, channels, source);

/** Whether what a graph begins with is a preparation of pixels, be they 0..1 or 0..255. */
function isOf({ a, b }: Opening, { scale, shift }: Preprocessing): boolean {
  const near = (x: number, y: number): boolean => Math.abs(x - y) <= 0.01 * Math.abs(y) + 1e-6;
  const at = (list: readonly number[], i: number): number => list[i] ?? list[0]!;
  return [1, 255].some((unit) =>
    scale.every((factor, i) => near(unit * at(a, i), factor) && near(at(b, i), shift[i]!)),
  );
}

/** Which pixels a graph wants that scales them itself: bytes where it makes them smaller, or takes more than 2 from them. */
function unitOf({ a, b }: Opening): Scale {
  const factor = Math.max(...a.map(Math.abs));
  const mean = Math.max(...b.map((shift, i) => Math.abs(shift / (a[i] ?? a[0]!))));
  return factor < 0.05 || mean > 2 ? '0..255' : '0..1';
}

/** `x * 0.003922`, `x - 0.5`, `x * [4.367,4.464,4.444] + [-2.118,-2.036,-1.804]`. */
function showOpening({ a, b }: Opening): string {
  const [factor, shift] = [showList(a), showList(b)];
  const product = factor === '1' ? 'x' : `x * ${factor}`;
  if (shift === '0') return product;
  return shift.startsWith('-') ? `${product} - ${shift.slice(1)}` : `${product} + ${shift}`;
}

const showList = (list: readonly number[]): string => {
  const [first, ...others] = list.map((x) => String(Number(x.toPrecision(4))));
  return others.every((x) => x === first) ? first! : `[${[first, ...others].join()}]`;
};

function made(
  { scale, mean = [0], std = [1] }: Pick<AdoptOptions, 'mean' | 'std'> & { readonly scale: Scale },
  channels: number,
  why: string,
): Preprocessing {
  for (const [what, list] of Object.entries({ mean, std })) {
    if ((list.length !== 1 && list.length !== channels) || !list.every(Number.isFinite)) {
      throw new Error(
        `${what} has ${list.length} numbers (${list.join()}), must have 1 or ${channels} (${why})`,
      );
    }
  }
  const least = Math.min(...std);
  if (!(least > 0)) throw new Error(`std must be above 0, got ${least} (${why})`);
  const [factor, offset] = units[scale];
  const each = (f: (mean: number, std: number) => number): readonly number[] =>
    Array.from({ length: channels }, (_, i) => f(mean[i] ?? mean[0]!, std[i] ?? std[0]!));
  const isNormalised = mean.some((x) => x !== 0) || std.some((x) => x !== 1);
  return {
    scale: each((_, s) => factor / s),
    shift: each((m, s) => (offset - m) / s),
    text: `pixels ${scale}${isNormalised ? `, mean ${showList(mean)}, std ${showList(std)}` : ''} (${why})`,
  };
}
