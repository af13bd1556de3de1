import { expand, matmul, reshape, shapeOf, type nn, type Value } from '../../builder/index.ts';
import { held, type AttackerOptions } from './generator.ts';

/**
 * One perturbation for all images (Moosavi-Dezfooli et al. 2017), as a state tensor that is trained like a network
 * (Shafahi et al. 2020): eps * p, with p held in [-1, 1] by the optimizer. A tanh would do that too, but its gradient is gone
 * once p is large, so that a pixel keeps the sign of its first steps. With classes to aim at there is one for each class.
 * `image` [N,C,H,W] -> the perturbation of each image [N,C,H,W] in [-eps, eps].
 */
export function universal(
  scope: nn.Scope,
  image: Value,
  { eps, target }: Pick<AttackerOptions, 'eps' | 'target'>,
): Value {
  const size = image.shape.slice(1) as readonly number[];
  const classes = target ? (target.shape[1] as number) : 1;
  const own = scope.parameter('perturbation', [classes, ...size], { kind: 'constant', value: 0 });
  const chosen = target ? reshape(matmul(target, reshape(own, [classes, -1])), [-1, ...size]) : own;
  const each = expand(chosen, shapeOf(image));
  return held(each, eps, 'tanh');
}
