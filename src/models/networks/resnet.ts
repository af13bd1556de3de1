import { add, globalAveragePool, nn, relu, reshape, type Value } from '../../builder/index.ts';

/**
 * A small residual network (He, Zhang, Ren and Sun 2016, section 4.2) of eight layers: a 3x3 convolution, then a block of two
 * for each of 16, 32 and 64 channels, the last two at half the size, batch norm behind every convolution, the mean
 * over space and a linear layer (78,090 parameters). `image` [N,C,H,W] -> logits [N,classes].
 */
export function resnet(
  scope: nn.Scope,
  image: Value,
  { classes = 10 }: { readonly classes?: number } = {},
): Value {
  let x = relu(normedConv(scope.within('stem'), image, { channels: 16, kernel: 3, padding: 1 }));
  [16, 32, 64].forEach((channels, i) => {
    x = block(scope.within(`block${i + 1}`), x, channels, i === 0 ? 1 : 2);
  });
  return nn.linear(scope.within('linear'), reshape(globalAveragePool(x), [-1, 64]), classes);
}

/** relu(F(x) + shortcut): the shortcut is `x` itself, or a 1x1 convolution where the shape changes. */
function block(scope: nn.Scope, x: Value, channels: number, stride: number): Value {
  const first = normedConv(scope.within('first'), x, { channels, kernel: 3, stride, padding: 1 });
  const second = normedConv(scope.within('second'), relu(first), { channels, kernel: 3, padding: 1 });
  const shortcut =
    stride === 1 ? x : normedConv(scope.within('shortcut'), x, { channels, kernel: 1, stride });
  return relu(add(second, shortcut));
}

const normedConv = (scope: nn.Scope, x: Value, options: nn.Conv2d): Value =>
  nn.batchNorm(scope.within('norm'), nn.conv2d(scope.within('conv'), x, options));
