/** The unit of a file's pixels before mean and std: a pixel of 0..1 times 1, times 255, or times 2 less 1. */
export const scales = ['0..1', '0..255', '-1..1'] as const;
/** The unit of a file's pixels. */
export type Scale = (typeof scales)[number];

export const layouts = ['nchw', 'nhwc'] as const;
/** How the pixels between pixels are computed when a picture is resized. */
export const interpolations = ['bilinear', 'bicubic', 'lanczos'] as const;
/** One of {@link interpolations}. */
export type Interpolation = (typeof interpolations)[number];
export const channelOrders = ['rgb', 'bgr', 'grey'] as const;

/** What a file does not say of a classifier, or says wrongly. What is absent is found out or assumed, which is said. */
export interface AdoptOptions {
  /** The name of the input that takes images, where there are several. */
  readonly input?: string;
  /** The name of the output that gives logits or probabilities, where there are several. */
  readonly output?: string;
  readonly layout?: (typeof layouts)[number];
  /** The unit that the file's pixels are in. */
  readonly scale?: Scale;
  /** Of every channel or of all, in the unit of `scale`: the file is given (pixel - mean) / std. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** The order of a file's three colours; `grey` gives all of them the same grey image. */
  readonly channels?: (typeof channelOrders)[number];
  /** The name of each class. */
  readonly labels?: readonly string[];
  /** Height and width of images, where the file leaves them open or takes flat ones. */
  readonly size?: readonly [height: number, width: number];
  /**
   * How large pictures become before the middle is cropped: the length of the shorter side, or height and width of the
   * whole picture. It concerns pictures of any size alone, which a data set makes into images.
   */
  readonly resize?: number | readonly [height: number, width: number];
  /** How pictures are resized. */
  readonly interpolation?: Interpolation;
}

/** JSON files that lie beside a model and say how images are prepared: parsed, and not checked. */
export interface Beside {
  /** `preprocessor_config.json` of Hugging Face. */
  readonly preprocessor?: unknown;
  /** `config.json` of Hugging Face or timm. */
  readonly config?: unknown;
}
