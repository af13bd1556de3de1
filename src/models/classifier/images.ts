import { showShape, type Shape } from '../../builder/index.ts';
import type { FilePort, ModelDescription } from '../../onnx/index.ts';
import type { AdoptOptions } from './options.ts';
import { fileElements, type FileElement, type InputPlan } from './plans.ts';

/** How large an image is. */
export interface ImageSize {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** An input that takes images: all of its plan but the values of the pixels. */
export interface ImageInput {
  readonly plan: Omit<InputPlan, 'scale' | 'shift'>;
  readonly image: ImageSize;
  /** What was assumed, a line each. */
  readonly notes: readonly string[];
}

type Wanted = Pick<AdoptOptions, 'input' | 'layout' | 'channels' | 'size'>;

/**
 * The input of a model that takes images: its only one, or the one that the options name. Its shape is
 * [batch,channels,height,width], [batch,height,width,channels], [batch,height,width], or flat.
 *
 * @throws Error in one line, naming the option that decides, when the file leaves it open.
 */
export function imageInput({ name: model, inputs }: ModelDescription, wanted: Wanted): ImageInput {
  const port = chosen(model, inputs, wanted.input);
  const { name, shape } = port;
  const element = fileElements.find((known) => known === port.element);
  if (!element) {
    throw new Error(`input ${name} is of ${port.element}; images can be ${fileElements.join(', ')}`);
  }
  if (!shape) throw new Error(`input ${name} has no shape in the file; export it again with one`);
  const [batch, ...own] = shape;
  const found = own.length === 3 ? cube(port, own, wanted) : flat(port, own, wanted);
  const { channels, from } = coloursOf(name, found.channels, wanted.channels);
  const { layout, height, width, sizes, notes } = found;
  if (channels * height * width > largest) {
    const size = [channels, height, width].join('x');
    throw new Error(
      `input ${showPort(port)} takes images of ${size}, more than the ${largest} numbers that can be attacked`,
    );
  }
  return {
    plan: {
      name,
      element: element satisfies FileElement,
      shape: sizes,
      layout,
      from,
      batch: typeof batch === 'number' ? batch : null,
    },
    image: { channels, height, width },
    notes,
  };
}

/** Of the numbers of an image: a quarter of a gigabyte. Larger sizes are those of damaged files. */
const largest = 2 ** 26;

function chosen(model: string, inputs: readonly FilePort[], name: string | undefined): FilePort {
  const shown = inputs.map(showPort).join(', ') || 'none';
  if (name !== undefined && !inputs.some((port) => port.name === name)) {
    throw new Error(`${model} has no input ${name}; it has ${shown}`);
  }
  const [port, ...others] = inputs;
  if (!port || others.length > 0) {
    throw new Error(
      `${model} must have one input, the images; it has ${shown}${port ? '; export it with the others inside' : ''}`,
    );
  }
  return port;
}

export const showPort = ({ name, element, shape }: FilePort): string =>
  `${name} ${element ?? 'of no type'}${shape ? showShape(shape) : ''}`;

interface Found {
  readonly layout: 'nchw' | 'nhwc';
  /** Of the file. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** One image in the file. */
  readonly sizes: readonly number[];
  readonly notes: readonly string[];
}

const isColours = (dim: Shape[number] | undefined): boolean => dim === 1 || dim === 3;

/** [channels,height,width] or [height,width,channels]. */
function cube(port: FilePort, own: Shape, { layout: wanted, size, channels }: Wanted): Found {
  const [first, , last] = own;
  const fits = { nchw: isColours(first), nhwc: isColours(last) };
  const layout = wanted ?? (fits.nhwc && !fits.nchw ? 'nhwc' : 'nchw');
  const [c, h, w] = layout === 'nchw' ? [own[0]!, own[1]!, own[2]!] : [own[2]!, own[0]!, own[1]!];
  const counted = typeof c === 'number' ? c : channels && (channels === 'grey' ? 1 : 3);
  if (counted === undefined) {
    throw new Error(
      `input ${showPort(port)} leaves its channels open; give the layout, nchw or nhwc, and the channels, rgb, bgr or grey`,
    );
  }
  const [height, width] = [h, w].map((dim, i) => {
    if (typeof dim === 'number') return dim;
    if (size) return size[i]!;
    throw new Error(
      `input ${showPort(port)} leaves height and width open; give the size of images, such as 224x224`,
    );
  }) as [number, number];
  if (size && (size[0] !== height || size[1] !== width)) {
    throw new Error(`input ${showPort(port)} takes ${height}x${width} pixels, not ${size.join('x')}`);
  }
  const isOpen = wanted === undefined && fits.nchw === fits.nhwc;
  return {
    layout,
    channels: counted,
    height,
    width,
    sizes: layout === 'nchw' ? [counted, height, width] : [height, width, counted],
    notes: isOpen ? [`layout nchw is assumed: the shape ${showShape(own)} does not say`] : [],
  };
}

/** [height,width] of a grey image, or pixels in a row, with or without axes of length 1 at the end. */
function flat(port: FilePort, own: Shape, { layout = 'nchw', size }: Wanted): Found {
  const numbers = own.filter((dim) => dim !== 1);
  if (own.length === 0 || own.length > 2 || !numbers.every((dim) => typeof dim === 'number')) {
    throw new Error(
      `input ${showPort(port)} must be [batch,channels,height,width], [batch,height,width,channels] or [batch,pixels], ` +
        'with numbers for all but the batch',
    );
  }
  const sizes = own as readonly number[];
  const [height, width] = numbers;
  if (numbers.length === 2) {
    return { layout, channels: 1, height: height!, width: width!, sizes, notes: [] };
  }
  const count = height ?? 1;
  const side = (channels: number): number => Math.sqrt(count / channels);
  const channels = size ? count / (size[0] * size[1]) : Number.isInteger(side(1)) ? 1 : 3;
  const [h, w] = size ?? [side(channels), side(channels)];
  if (![channels, h, w].every(Number.isInteger) || (size && !isColours(channels))) {
    throw new Error(
      size
        ? `input ${showPort(port)} holds ${count} values, which are not one or three channels of ${size.join('x')} pixels`
        : `input ${showPort(port)} holds ${count} values, which are no square image; give the size of images, HEIGHTxWIDTH`,
    );
  }
  const order = channels > 1 ? ` in the order of ${layout}` : '';
  return {
    layout,
    channels,
    height: h,
    width: w,
    sizes,
    notes: size
      ? []
      : [`images of ${channels}x${h}x${w}${order} are assumed: the file takes ${count} values`],
  };
}

/** How many channels an image has, and which of them each channel of the file holds. */
function coloursOf(name: string, count: number, wanted: AdoptOptions['channels']) {
  const own = Array.from({ length: count }, (_, i) => i);
  if (wanted === undefined || (wanted === 'grey' && count === 1) || (wanted === 'rgb' && count === 3)) {
    return { channels: count, from: own };
  }
  if (count !== 3) {
    throw new Error(`input ${name} has ${count === 1 ? 'one channel' : `${count} channels`}, not ${wanted}`);
  }
  return wanted === 'grey' ? { channels: 1, from: [0, 0, 0] } : { channels: 3, from: own.toReversed() };
}
