import { nn, relu, reshape, type Value } from '../../builder/index.ts';

/** Channels of the two convolutions. The paper gives none: 16 and 32 are this project's reading (29,034 parameters). */
export interface ClassifierOptions {
  readonly channels?: readonly [number, number];
  readonly classes?: number;
}

/**
 * The paper's classifier C (section 2.3, figure 1): two 5x5 convolutions with batch norm, ReLU and 2x2 max-pooling,
 * then one linear layer. `image` [N,C,H,W] in 0..1 -> logits [N,classes].
 */
export function classifier(
  scope: nn.Scope,
  image: Value,
  { channels = [16, 32], classes = 10 }: ClassifierOptions = {},
): Value {
  let x = image;
  channels.forEach((width, i) => {
    x = nn.conv2d(scope.within(`conv${i + 1}`), x, { channels: width, kernel: 5, padding: 2 });
    x = nn.batchNorm(scope.within(`norm${i + 1}`), x);
    x = relu(nn.maxPool2(x)); // the order of the two changes no number; this one spares three quarters of the ReLU
  });
  const features = x.shape.slice(1).reduce<number>((n, dim) => n * Number(dim), 1);
  return nn.linear(scope.within('linear'), reshape(x, [-1, features]), classes);
}
