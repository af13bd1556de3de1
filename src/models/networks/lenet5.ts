import { nn, reshape, tanh, type Value } from '../../builder/index.ts';

/**
 * LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, section II.B) as it is built today: tanh, average pooling, full
 * connections in its second convolution, and a linear output layer (61,706 parameters). Smooth, and without batch norm.
 * `image` [N,1,28,28], padded to 32x32 -> logits [N,classes].
 */
export function lenet5(
  scope: nn.Scope,
  image: Value,
  { classes = 10 }: { readonly classes?: number } = {},
): Value {
  let x = tanh(nn.conv2d(scope.within('conv1'), image, { channels: 6, kernel: 5, padding: 2 }));
  x = nn.averagePool2(x);
  x = tanh(nn.conv2d(scope.within('conv2'), x, { channels: 16, kernel: 5 }));
  x = reshape(nn.averagePool2(x), [-1, 16 * 5 * 5]);
  x = tanh(nn.linear(scope.within('hidden1'), x, 120));
  x = tanh(nn.linear(scope.within('hidden2'), x, 84));
  return nn.linear(scope.within('linear'), x, classes);
}
