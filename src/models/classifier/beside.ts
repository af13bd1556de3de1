import type { AdoptOptions, Beside } from './options.ts';

/** What the files beside a model say, in the words of {@link AdoptOptions}, and which file said it. */
export interface Said extends Pick<AdoptOptions, 'scale' | 'mean' | 'std' | 'channels' | 'labels' | 'size'> {
  readonly source: string;
}

/** An object of JSON, not checked. */
export type Json = Readonly<Record<string, unknown>>;

/** What the files beside a model say of it; null where they say nothing that is understood. */
export function saidBeside({ preprocessor, config }: Beside): Said | null {
  const found = [
    isRecord(preprocessor) && huggingFace(preprocessor),
    isRecord(config) && isRecord(config['pretrained_cfg']) && timm(config, config['pretrained_cfg']),
    isRecord(config) && named(config),
  ].filter((said) => said !== false && said !== null);
  // each says what those before it do not
  return found.reduceRight<Said | null>((so, said) => ({ ...so, ...said }), null);
}

/** The keys of an image processor of Hugging Face's transformers. */
function huggingFace(json: Json): Said | null {
  if (!('do_normalize' in json || 'do_rescale' in json || 'image_mean' in json)) return null;
  const { do_rescale = true, do_normalize = true, rescale_factor = 1 / 255 } = json;
  // pixels are bytes there
  const factor = do_rescale === false ? 1 : Number(rescale_factor);
  const isSigned = Math.abs(factor * 127.5 - 1) < 1e-3;
  const scale = isSigned ? '-1..1' : Math.abs(factor * 255 - 1) < 1e-3 ? '0..1' : '0..255';
  const size = sizeOf(json['crop_size']) ?? sizeOf(json['size']);
  return {
    source: 'preprocessor_config.json',
    scale,
    ...(do_normalize !== false && statistics(json['image_mean'], json['image_std'])),
    ...(json['do_flip_channel_order'] === true && { channels: 'bgr' as const }),
    ...(size && { size }),
  };
}

/** `pretrained_cfg` of timm: pixels in 0..1. */
function timm(json: Json, { mean, std, input_size: size }: Json): Said {
  const sizes = numbers(size);
  const labels = json['label_names'];
  return {
    source: 'config.json',
    scale: '0..1',
    ...statistics(mean, std),
    ...(sizes?.length === 3 && { size: [sizes[1]!, sizes[2]!] as const }),
    ...(isTexts(labels) && { labels }),
  };
}

/** `id2label` of a model of transformers. */
function named({ id2label }: Json): Said | null {
  if (!isRecord(id2label)) return null;
  const labels = Object.keys(id2label).map((_, i) => id2label[String(i)]);
  return isTexts(labels) ? { source: 'config.json', labels } : null;
}

function statistics(mean: unknown, std: unknown): Pick<AdoptOptions, 'mean' | 'std'> {
  const [m, s] = [numbers(mean), numbers(std)];
  return { ...(m && { mean: m }), ...(s && { std: s }) };
}

/** One number is a square. */
export function sizeOf(value: unknown): readonly [number, number] | null {
  if (typeof value === 'number') return [value, value];
  if (!isRecord(value)) return null;
  const { height, width } = value;
  return typeof height === 'number' && typeof width === 'number' ? [height, width] : null;
}

export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((x) => typeof x === 'string');

export const numbers = (value: unknown): readonly number[] | null =>
  Array.isArray(value) && value.every((x) => typeof x === 'number') ? value : null;
