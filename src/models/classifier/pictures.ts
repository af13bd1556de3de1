import { isRecord, numbers, sizeOf, type Json } from './beside.ts';
import type { ImageSize } from './images.ts';
import { interpolations, type AdoptOptions, type Beside, type Interpolation } from './options.ts';

/** How pictures of any size become images of a classifier: they are resized, then the middle is cropped. */
export type Fit = Pick<AdoptOptions, 'resize' | 'interpolation'>;

/** How pictures are fitted, and who says so. */
export interface Pictures {
  /** Null where nothing says it. */
  readonly fit: Fit | null;
  /** In one line; null where nothing says anything. */
  readonly text: string | null;
}

type Sizes = readonly [height: number, width: number];

/** What a file says of pictures: how they are fitted, or why that cannot be followed. */
type Said = { readonly fit: Fit; readonly note: string } | { readonly lack: string };

/** How pictures become images of a classifier. Each option decides; the files beside the model say the rest. */
export function picturesOf(options: Fit, { preprocessor, config }: Beside, image: ImageSize): Pictures {
  const { resize, interpolation } = options;
  const own: Fit = { ...(resize !== undefined && { resize }), ...(interpolation && { interpolation }) };
  const isOwn = resize !== undefined || interpolation !== undefined;
  const timmConfig = isRecord(config) ? config['pretrained_cfg'] : null;
  const said = [
    { source: 'preprocessor_config.json', said: isRecord(preprocessor) && huggingFace(preprocessor, image) },
    { source: 'config.json', said: isRecord(timmConfig) && timm(timmConfig, image) },
  ].flatMap(({ source, said }) => (said ? [{ source, ...said }] : []));
  const found = said.find((one) => 'fit' in one);
  if (found && (resize === undefined || interpolation === undefined)) {
    const fit = { ...found.fit, ...own };
    const why = `${found.source}${isOwn ? ', and the options' : ''}${found.note}`;
    return { fit, text: textOf(fit, image, why) };
  }
  if (isOwn) return { fit: own, text: textOf(own, image, 'as the options say') };
  const lacking = said.find((one) => 'lack' in one);
  const text = lacking ? `pictures are resized as by default: ${lacking.source} ${lacking.lack}` : null;
  return { fit: null, text };
}

function textOf({ resize, interpolation = 'bilinear' }: Fit, image: ImageSize, why: string): string {
  if (resize === undefined) return `pictures are resized as by default, ${interpolation} (${why})`;
  const isAll = typeof resize !== 'number' && resize[0] === image.height && resize[1] === image.width;
  const size =
    typeof resize === 'number'
      ? `the shorter side of a picture becomes ${resize}`
      : `the whole picture becomes ${resize.join('x')}`;
  return `${size}, ${isAll ? '' : 'its middle is cropped, '}${interpolation} (${why})`;
}

/** Pillow's numbers, which transformers writes. */
const pillow: readonly string[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/** Image processors that resize the shorter side where `size` is one number; the others resize the whole picture. */
const ofShorterSide = /^(Bit|ChineseCLIP|CLIP|ConvNext|Levit|MobileNetV[12]|MobileViT|PoolFormer)/;

/** The keys of an image processor of transformers, with what its class adds to them. */
function huggingFace(json: Json, image: ImageSize): Said | null {
  const { size, resample, crop_pct: part } = json;
  if (json['do_resize'] === false) return { lack: 'does not resize pictures' };
  if (size === undefined) return null;
  if (json['do_pad'] === true) return { lack: 'pads pictures, which is not done here' };
  const named = json['image_processor_type'] ?? json['feature_extractor_type'];
  const type = typeof named === 'string' ? named : '';
  const crop = json['do_center_crop'] === false ? null : sizeOf(json['crop_size']);
  const filter = typeof resample === 'number' ? (pillow[resample] ?? resample) : resample;
  const fitted = (resize: number | Sizes, cut: Sizes | null): Said => followed(resize, filter, cut, image);

  const edge = isRecord(size) ? size['shortest_edge'] : ofShorterSide.test(type) ? size : undefined;
  if (typeof edge === 'number') {
    if (type.startsWith('ConvNext')) {
      const square = [edge, edge] as const;
      return edge < 384 ? fitted(Math.trunc(edge / ratio(part, 224 / 256)), square) : fitted(square, square);
    }
    if (type.startsWith('Levit')) return fitted(Math.trunc((256 / 224) * edge), crop);
    return fitted(Math.trunc(edge / ratio(part, type.startsWith('PoolFormer') ? 0.9 : 1)), crop);
  }
  const whole = isRecord(size) || type !== '' ? sizeOf(size) : null;
  return whole ? fitted(whole, crop ?? whole) : { lack: `has an unknown size, ${JSON.stringify(size)}` };
}

/** `pretrained_cfg` of timm, as its own evaluation follows it. */
function timm(json: Json, image: ImageSize): Said | null {
  const { height, width } = image;
  const test = numbers(json['test_input_size']);
  const isTest = test?.[1] === height && test[2] === width;
  const part = ratio((isTest ? json['test_crop_pct'] : undefined) ?? json['crop_pct'], 0);
  if (part === 0) return null;
  const { crop_mode: mode = 'center', interpolation } = json;
  const whole = [Math.floor(height / part), Math.floor(width / part)] as const;
  if (mode === 'squash') return followed(whole, interpolation, [height, width], image);
  return mode === 'center' && height === width
    ? followed(whole[0], interpolation, [height, width], image)
    : { lack: `has the crop_mode ${JSON.stringify(mode)} for ${height}x${width}, which is not done here` };
}

const ratio = (value: unknown, other: number): number =>
  typeof value === 'number' && value > 0 ? value : other;

/** The longest side to which pictures are resized: `checkFit` of the runtime has the same. */
const longest = 16_384;

/** @param crop what is cut out of a resized picture. */
function followed(resize: number | Sizes, filter: unknown, crop: Sizes | null, image: ImageSize): Said {
  const { height, width } = image;
  if (!crop) return { lack: 'does not crop what it has resized' };
  if (crop[0] !== height || crop[1] !== width) {
    return { lack: `makes images of ${crop.join('x')}, and the model takes ${height}x${width}` };
  }
  const size = [resize].flat();
  if (!size.every((side) => Number.isInteger(side) && side >= 1 && side <= longest)) {
    return { lack: `resizes to ${size.join('x')}, and a length is an integer in 1..${longest}` };
  }
  const isEnough =
    typeof resize === 'number'
      ? resize >= Math.max(height, width)
      : resize[0] >= height && resize[1] >= width;
  if (!isEnough) return { lack: `resizes to ${size.join('x')}, less than the model takes` };
  const interpolation: Interpolation | undefined = interpolations.find((name) => name === filter);
  const isOther = filter !== undefined && filter !== null && interpolation === undefined;
  return {
    fit: { resize, ...(interpolation && { interpolation }) },
    note: isOther ? `, which asks for ${JSON.stringify(filter)}` : '',
  };
}
