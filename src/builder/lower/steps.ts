import { constantNumbers, type AnyNode, type Graph, type Value } from '../ir.ts';
import { hardSigmoid, mul } from '../ops.ts';
import { rewrite } from '../rewrite.ts';

/**
 * The masks in the gradients of Relu and of Clip as steep HardSigmoids of what those give, which ONNX Runtime computes in the
 * blocked layout (NCHWc) of the convolutions around them. Comparisons would take each of them out of that layout and back,
 * and one that reads what a Clip was given keeps it from becoming part of its convolution.
 *
 * Relu's mask is exact but for activations below 2^-127, where it lies between 0 and 1. Clip's is 0 instead of 1 where the
 * convolution itself gives a bound, which is what PyTorch's ReLU6 does too.
 */
export const stepsByHardSigmoid = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    if (node.op !== 'Mul') return null;
    for (const [dy, mask] of [node.inputs, node.inputs.toReversed()] as [Value, Value][]) {
      const factors = stepsOf(mask);
      if (factors) return [factors.reduce((product, factor) => mul(product, factor), dy)];
    }
    return null;
  });

const nodeOf = (value: Value, op: AnyNode['op']): AnyNode | null =>
  value.source.kind === 'node' && value.source.op === op ? value.source : null;

/** What to multiply by instead of a mask; null where it is another. */
function stepsOf(mask: Value): readonly Value[] | null {
  const compared = nodeOf(mask, 'Cast')?.inputs[0];
  if (!compared || mask.dtype !== 'float32') return null;
  const above = nodeOf(compared, 'Greater')?.inputs as readonly [Value, Value] | undefined;
  if (above && nodeOf(above[0], 'Relu') && isNumber(above[1], 0)) return [fromZero(above[0])];
  const same = nodeOf(compared, 'Equal')?.inputs as readonly [Value, Value] | undefined;
  const [x, low, high] = (same && nodeOf(same[1], 'Clip')?.inputs) ?? [];
  if (!same || !x || x !== same[0] || !nodeOf(x, 'Conv') || !isNumber(low, 0)) return null;
  const top = high && constantNumbers(high)?.[0];
  return top && top >= 2 ** -20 && top <= 2 ** 20 ? [fromZero(same[1]), upTo(same[1], top)] : null;
}

const isNumber = (value: Value | null | undefined, number: number): boolean =>
  value !== null && value !== undefined && constantNumbers(value)?.join() === String(number);

/** 1 above 0, for y >= 0. */
const fromZero = (y: Value): Value => hardSigmoid(y, 2 ** 127, 0);

/** 1 below `top`, for y <= top: products by powers of two are exact, and the step between two numbers here is far above 2^-100. */
const upTo = (y: Value, top: number): Value => hardSigmoid(y, -(2 ** 100), top * 2 ** 100);
