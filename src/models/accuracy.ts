import {
  add,
  cast,
  div,
  equal,
  less,
  mul,
  nn,
  not,
  reduceMean,
  reduceSum,
  type Value,
} from '../builder/index.ts';

/** Fraction of labels whose logit is above all others (a tie is wrong), with operators that every provider has. */
export function accuracy(logits: Value, label: Value): Value {
  const chosen = reduceSum(mul(logits, nn.oneHot(label, logits.shape[1] as number)), {
    axes: [1],
    keepdims: true,
  });
  const notBelow = reduceSum(cast(not(less(logits, chosen)), 'float32'), { axes: [1] });
  return reduceMean(cast(equal(notBelow, 1), 'float32'));
}

/** The mean of some values of one shape: of the same figure on several classifiers. */
export const mean = (values: readonly Value[]): Value =>
  values.length === 1 ? values[0]! : div(values.reduce(add), values.length);
