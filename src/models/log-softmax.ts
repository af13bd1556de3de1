import { exp, log, reduceMax, reduceSum, stopGradient, sub, type Value } from '../builder/index.ts';

/**
 * x - log(sum(exp(x))) of each row, without overflow: the logarithm of softmax with operators that every provider has.
 *
 * @param logits [batch,classes]
 */
export function logSoftmax(logits: Value): Value {
  const rows = { axes: [1], keepdims: true } as const;
  const shifted = sub(logits, stopGradient(reduceMax(logits, rows)));
  return sub(shifted, log(reduceSum(exp(shifted), rows)));
}
