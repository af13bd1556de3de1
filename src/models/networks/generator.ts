import {
  add,
  clip,
  concat,
  constant,
  leakyRelu,
  max,
  min,
  mul,
  neg,
  nn,
  relu,
  tanh,
  tensorOf,
  unsqueeze,
  type Value,
} from '../../builder/index.ts';

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

/** An eps that the network is told: one network for all of them. */
export interface GivenEps {
  /** float32 [N], from 0 to `largest`. */
  readonly each: Value;
  readonly largest: number;
}

/** What an attacker's network is built for. */
export interface AttackerOptions extends Omit<ThreatModel, 'eps'> {
  readonly eps: number | GivenEps;
  /** Channels of the first convolution, which the next three double: 64 when left out, the paper's. */
  readonly width?: number | undefined;
  /** The classes to aim at, float32 [N,classes] with a one in each row; absent where any wrong class will do. */
  readonly target?: Value | undefined;
}

/**
 * The paper's attacker A (section 2.3.2): four 5x5 convolutions of stride 2, for the paper's 28x28x1 down to 2x2x512,
 * and four transposed ones back to the image; about 8.6 million parameters. `image` [N,C,H,W] of any size -> perturbation
 * [N,C,H,W] in [-eps, eps].
 *
 * An eps that it is told stands beside the image as one more channel, in parts of the largest. A class that it is to aim at
 * is added where the network is narrowest, as a learned vector: all that it knows of the image passes there.
 */
export function attacker(
  scope: nn.Scope,
  image: Value,
  { eps, bound, width = 64, target }: Omit<AttackerOptions, 'clip'>,
): Value {
  const down = [width, 2 * width, 4 * width, 8 * width];
  const up = [4 * width, 2 * width, width, image.shape[1] as number];
  const sizes: (readonly number[])[] = [];
  let x = typeof eps === 'number' ? image : concat([image, planeOf(eps, image)], 1);
  down.forEach((channels, i) => {
    sizes.unshift(x.shape.slice(2) as readonly number[]);
    x = nn.conv2d(scope.within(`conv${i + 1}`), x, { channels, kernel: 5, stride: 2, padding: 2 });
    if (i > 0) x = nn.batchNorm(scope.within(`norm${i + 1}`), x);
    x = leakyRelu(x, 0.2);
  });
  if (target) x = add(x, unsqueeze(nn.linear(scope.within('target'), target, 8 * width), [2, 3]));
  up.forEach((channels, i) => {
    const outputPadding = paddingTo(sizes[i]!);
    const geometry = { channels, kernel: 5, stride: 2, padding: 2, outputPadding };
    x = nn.convTranspose2d(scope.within(`deconv${i + 1}`), x, geometry);
    x = nn.batchNorm(scope.within(`denorm${i + 1}`), x);
    x = i < up.length - 1 ? relu(x) : tanh(x);
  });
  return held(x, eps, bound);
}

/** What each side of a transposed convolution adds to reach the size that was halved, rounded up: 1 where that is even. */
const paddingTo = (size: readonly number[]): readonly number[] => size.map((length) => (length + 1) % 2);

/** Eps as a channel of the image, in parts of the largest: [N,1,H,W]. */
function planeOf({ each, largest }: GivenEps, image: Value): Value {
  const shape = [1, 1, ...(image.shape.slice(2) as readonly number[])];
  const parts = new Array<number>(shape[2]! * shape[3]!).fill(1 / largest);
  return mul(asColumn(each), constant(tensorOf('float32', shape, parts)));
}

/** Values in [-1, 1], as a tanh gives them, held within [-eps, eps]. */
export function held(x: Value, eps: AttackerOptions['eps'], bound: Bound): Value {
  // clipped in both: the tanh of a runtime may round to a little more than 1
  if (typeof eps === 'number') return clip(bound === 'tanh' ? mul(x, eps) : x, -eps, eps);
  const reach = asColumn(eps.each);
  return bound === 'tanh' ? mul(clip(x, -1, 1), reach) : min(max(x, neg(reach)), reach);
}

/** [N] -> [N,1,1,1] */
const asColumn = (each: Value): Value => unsqueeze(each, [1, 2, 3]);

/** The image that a classifier gets to see: the sum, clipped to [0, 1] in the clipped threat model. */
export function attack(
  image: Value,
  perturbation: Value,
  { clip: clipped }: Pick<ThreatModel, 'clip'>,
): Value {
  const sum = add(image, perturbation);
  return clipped ? clip(sum, 0, 1) : sum;
}
