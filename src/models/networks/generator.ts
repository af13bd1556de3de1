import { add, clip, leakyRelu, mul, nn, relu, tanh, type Value } from '../../builder/index.ts';

/** How the output is held within [-eps, eps]: `tanh` times eps, or tanh clipped to it. */
export type Bound = 'tanh' | 'clamp';

/** What an attacker may do to an image. */
export interface ThreatModel {
  /** Largest change of a pixel, in the image's unit (0..1): the paper's t. */
  readonly eps: number;
  readonly bound: Bound;
  /** Clip the attacked image to [0, 1] (a valid image), or leave the sum as it is (the paper). */
  readonly clip: boolean;
}

/**
 * The paper's attacker A (section 2.3.2): four 5x5 convolutions of stride 2, for the paper's 28x28x1 down to 2x2x512,
 * and four transposed ones back to the image; about 8.6 million parameters. `image` [N,C,H,W] -> perturbation [N,C,H,W]
 * in [-eps, eps].
 *
 * @throws Error when height and width are halved to odd and even at the same step, so that no layer leads back.
 */
export function attacker(scope: nn.Scope, image: Value, { eps, bound }: Omit<ThreatModel, 'clip'>): Value {
  const down = [64, 128, 256, 512];
  const up = [256, 128, 64, image.shape[1] as number];
  const sizes: (readonly number[])[] = [];
  let x = image;
  down.forEach((channels, i) => {
    sizes.unshift(x.shape.slice(2) as readonly number[]);
    x = nn.conv2d(scope.within(`conv${i + 1}`), x, { channels, kernel: 5, stride: 2, padding: 2 });
    if (i > 0) x = nn.batchNorm(scope.within(`norm${i + 1}`), x);
    x = leakyRelu(x, 0.2);
  });
  up.forEach((channels, i) => {
    const outputPadding = paddingTo(sizes[i]!);
    const geometry = { channels, kernel: 5, stride: 2, padding: 2, outputPadding };
    x = nn.convTranspose2d(scope.within(`deconv${i + 1}`), x, geometry);
    x = nn.batchNorm(scope.within(`denorm${i + 1}`), x);
    x = i < up.length - 1 ? relu(x) : tanh(x);
  });
  // clipped in both: the tanh of a runtime may round to a little more than 1
  return clip(bound === 'tanh' ? mul(x, eps) : x, -eps, eps);
}

/** What a transposed convolution adds to reach the size that was halved, rounded up: 1 where that is even. */
function paddingTo(size: readonly number[]): number {
  const [height, width] = size.map((length) => (length + 1) % 2);
  if (height === width) return height!;
  throw new Error(
    `the attacker takes images whose height and width are halved alike, got ${size.join('x')} inside; make them square`,
  );
}

/** The image that a classifier gets to see: the sum, clipped to [0, 1] in the clipped threat model. */
export function attack(
  image: Value,
  perturbation: Value,
  { clip: clipped }: Pick<ThreatModel, 'clip'>,
): Value {
  const sum = add(image, perturbation);
  return clipped ? clip(sum, 0, 1) : sum;
}
