import type { AdoptOptions } from '../../models/classifier/options.ts';

/** What a person says of a model's input, as it stands in the fields: an empty text is left to the file. */
export interface Preparation {
  readonly layout: string;
  readonly scale: string;
  readonly channels: string;
  readonly mean: string;
  readonly std: string;
  readonly size: string;
}

export const untold: Preparation = { layout: '', scale: '', channels: '', mean: '', std: '', size: '' };

/**
 * What was said, as options of adoption.
 *
 * @throws Error in one line when a text is no list of numbers.
 */
export function optionsOf({ layout, scale, channels, mean, std, size }: Preparation): AdoptOptions {
  const [means, stds, sides] = [numbers('mean', mean), numbers('std', std), numbers('size', size)];
  if (sides && !(sides.length <= 2 && sides.every((side) => Number.isInteger(side) && side > 0))) {
    throw new Error(`size must be height and width in pixels, such as 224, 224; got ${size}`);
  }
  return {
    ...(layout && { layout: layout as NonNullable<AdoptOptions['layout']> }),
    ...(scale && { scale: scale as NonNullable<AdoptOptions['scale']> }),
    ...(channels && { channels: channels as NonNullable<AdoptOptions['channels']> }),
    ...(means && { mean: means }),
    ...(stds && { std: stds }),
    ...(sides && { size: [sides[0]!, sides[1] ?? sides[0]!] as const }),
  };
}

/** The numbers of a text, apart by commas or spaces; null for none. */
function numbers(what: string, text: string): readonly number[] | null {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== '');
  const values = parts.map(Number);
  if (values.some((value) => !Number.isFinite(value))) {
    throw new Error(`${what} must be numbers, such as 0.485, 0.456, 0.406; got ${text}`);
  }
  return values.length > 0 ? values : null;
}
