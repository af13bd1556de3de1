import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, Option, type CommandUnknownOpts } from '@commander-js/extra-typings';
import type { AdoptOptions } from '../models/classifier/options.ts';
import { channelOrders, interpolations, layouts, scales } from '../models/classifier/options.ts';
import { InputError } from '../runtime/index.ts';
import { describeFsError } from '../runtime/files.ts';
import { count, fraction } from './options.ts';

/** What a person says of a classifier's file, as commander gives it: names of classes are in a file. */
export type AdoptFlags = Omit<AdoptOptions, 'labels'> & { readonly labels?: string };

/** The names of {@link AdoptFlags}. */
export const adoptNames = [
  'input',
  'output',
  'layout',
  'scale',
  'mean',
  'std',
  'channels',
  'labels',
  'size',
  'resize',
  'interpolation',
] as const satisfies readonly (keyof AdoptFlags)[];

/**
 * Gives a command the options that say of a classifier's file what it does not say itself. Their values are
 * {@link AdoptFlags}.
 *
 * @param leftOut those that say nothing to the command.
 */
export function withAdoptOptions<C extends CommandUnknownOpts>(
  command: C,
  leftOut: readonly (keyof AdoptFlags)[] = [],
): C {
  const all = [
    new Option('--input <name>', 'the name of the input that takes images, which must be the only input'),
    new Option('--output <name>', 'the output that gives logits or probabilities, where there are several'),
    new Option('--layout <layout>', 'the order of the axes of its images').choices(layouts),
    new Option('--scale <scale>', 'the unit of its pixels').choices(scales),
    new Option('--mean <list>', 'what is taken from its pixels, in the unit of --scale').argParser(numbers),
    new Option('--std <list>', 'what they are divided by then: 0.229,0.224,0.225').argParser(numbers),
    new Option('--channels <order>', 'the order of its channels; grey: the same image in all').choices(
      channelOrders,
    ),
    new Option('--labels <file>', 'the names of its classes, one a line'),
    new Option(
      '--size <size>',
      'HEIGHTxWIDTH, where the file leaves them open or takes flat images',
    ).argParser(size),
    new Option(
      '--resize <size>',
      'pictures: length of the shorter side, or HEIGHTxWIDTH of the whole, before the middle is cropped ' +
        '(default: as files beside the model say, else 8/7 of its size)',
    ).argParser(resize),
    new Option('--interpolation <name>', 'how pictures are resized (default: as those files say)').choices(
      interpolations,
    ),
  ];
  command.optionsGroup('Classifier:');
  for (const option of all) {
    if (!leftOut.some((name) => name === option.attributeName())) command.addOption(option);
  }
  return command;
}

/**
 * What the flags say of a classifier's file.
 *
 * @throws InputError when the file of labels cannot be read.
 */
export async function adoption(flags: AdoptFlags): Promise<AdoptOptions> {
  const { input, output, layout, scale, mean, std, channels, size: sizes, interpolation } = flags;
  const labels = flags.labels === undefined ? undefined : await readLabels(flags.labels);
  return {
    ...(input !== undefined && { input }),
    ...(output !== undefined && { output }),
    ...(layout && { layout }),
    ...(scale && { scale }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...(channels && { channels }),
    ...(labels && { labels }),
    ...(sizes && { size: sizes }),
    ...(flags.resize !== undefined && { resize: flags.resize }),
    ...(interpolation && { interpolation }),
  };
}

/** The same as words of a command line: `--mean`, `0.1307`. */
export function adoptWords(flags: AdoptFlags): readonly string[] {
  const { input, output, layout, scale, mean, std, channels, labels, size: sizes, interpolation } = flags;
  const values = {
    input,
    output,
    layout,
    scale,
    mean: mean?.join(),
    std: std?.join(),
    channels,
    labels,
    size: sizes?.join('x'),
    resize: flags.resize === undefined ? undefined : [flags.resize].flat().join('x'),
    interpolation,
  };
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
}

async function readLabels(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  return text.trimEnd().split(/\r?\n/);
}

/** Numbers with commas between them, fractions among them: `0.485,0.456,0.406`, `127.5/255`. */
function numbers(text: string): readonly number[] {
  return text.split(',').map((part) => {
    const value = fraction(part);
    if (Number.isFinite(value)) return value;
    throw new InvalidArgumentError(`It must be numbers with commas between them, got ${text}.`);
  });
}

/** `256` is the shorter side, `224x224` the whole picture. */
const resize = (text: string): NonNullable<AdoptOptions['resize']> =>
  text.includes('x') ? size(text) : count(text);

/** `224x224`, height first; `224` is a square. */
function size(text: string): readonly [height: number, width: number] {
  const [, height, width = height] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
  const found = [Number(height), Number(width)] as const;
  if (found.every((side) => Number.isSafeInteger(side) && side > 0)) return found;
  throw new InvalidArgumentError(`It must be HEIGHTxWIDTH, such as 224x224, got ${text}.`);
}
