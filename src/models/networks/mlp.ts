import { nn, relu, reshape, type Value } from '../../builder/index.ts';

/**
 * A multilayer perceptron: the pixels in a row, two hidden layers of 256 and 128 with ReLU (235,146 parameters). It has
 * no convolution, so it shares nothing with the paper's classifier but the task. `image` [N,C,H,W] -> logits [N,classes].
 */
export function mlp(
  scope: nn.Scope,
  image: Value,
  { classes = 10 }: { readonly classes?: number } = {},
): Value {
  const pixels = image.shape.slice(1).reduce<number>((n, dim) => n * Number(dim), 1);
  let x = reshape(image, [-1, pixels]);
  [256, 128].forEach((features, i) => {
    x = relu(nn.linear(scope.within(`hidden${i + 1}`), x, features));
  });
  return nn.linear(scope.within('linear'), x, classes);
}
