import { nn, relu, reshape, type Value } from '../../builder/index.ts';

/** Channels of the convolutions; the last number is that of all further ones. */
const widths = [32, 64, 64] as const;
/** Height and width from which on no convolution makes an image smaller. */
const small = 4;
const hidden = 64;

/**
 * A small network that learns what another classifier answers, so that attacks can follow its gradient instead: 3x3
 * convolutions of stride 2 until the image is 4x4 or smaller, then two linear layers. It has no batch norm, so that an
 * answer depends on one image. `image` [N,C,H,W] in 0..1 -> logits [N,classes].
 */
export function surrogate(scope: nn.Scope, image: Value, { classes }: { readonly classes: number }): Value {
  let x = image;
  for (let i = 0; i === 0 || x.shape.slice(2).some((side) => (side as number) > small); i++) {
    const channels = widths[Math.min(i, widths.length - 1)]!;
    x = relu(nn.conv2d(scope.within(`conv${i + 1}`), x, { channels, kernel: 3, stride: 2, padding: 1 }));
  }
  const features = x.shape.slice(1).reduce<number>((n, dim) => n * Number(dim), 1);
  x = relu(nn.linear(scope.within('hidden'), reshape(x, [-1, features]), hidden));
  return nn.linear(scope.within('linear'), x, classes);
}
