import {
  abs,
  add,
  cast,
  constant,
  div,
  equal,
  exp,
  log,
  max,
  mul,
  neg,
  nn,
  reduceMax,
  reduceSum,
  stopGradient,
  sub,
  tensorOf,
  where,
  type Value,
} from '../../builder/index.ts';

/** Losses that rise as a classifier errs: logits [batch,classes] and labels [batch] (integers) -> [batch]. */
export type Loss = (logits: Value, label: Value, target: Value | null) => Value;

const rows = { axes: [1], keepdims: true } as const;
/** So far below every logit that it is never the largest, and near enough for every backend's arithmetic. */
const beyond = 1e30;

/**
 * The losses by name; `z` are the logits, `y` the label, `t` the target.
 *
 * @throws Error in one line when there are too few classes for the loss, or no target where it needs one.
 */
export const losses = {
  /**
   * Cross-entropy in nats: log(1 + e^gap), without overflow. By way of softmax its gradient would be 0 in float32 from
   * a gap of -17 on; this one is sigmoid(gap) times that of the gap down to -87.
   */
  ce: (logits, label) => {
    const gap = gapOf(logits, label);
    return add(max(gap, 0), log(add(exp(neg(abs(gap))), 1)));
  },
  /**
   * How far the other classes lie above the label's: logsumexp(z_j, j != y) - z_y. The cross-entropy is log(1 + e^gap),
   * so its gradient is sigmoid(gap) > 0 times that of the gap: of the same sign. Where the classifier is so sure of
   * itself that the cross-entropy's gradient vanishes in float32, an attack on it stands still and makes the
   * classifier look robust; the gap's does not vanish.
   */
  gap: (logits, label) => gapOf(logits, label),
  /** max(z_j, j != y) - z_y (Carlini and Wagner 2017): positive where the classifier is wrong. */
  margin: (logits, label) => at(marginOf(logits, label)),
  /** z_t - z_y: positive where the classifier finds the target likelier than the label. */
  difference: (logits, label, target) =>
    at(sub(picked(logits, wanted('difference', target)), picked(logits, label))),
  /**
   * The margin over the distance from the largest logit to the third (Croce and Hein 2020), which no scale of the
   * logits changes.
   */
  dlr: (logits, label) => {
    const [first, , third] = largest(logits, 3, 'dlr');
    return at(div(marginOf(logits, label), add(sub(first!, third!), tiny)));
  },
  /**
   * z_t - z_y over the distance from the largest logit to the mean of the third and the fourth (Croce and Hein 2020).
   */
  'dlr-targeted': (logits, label, target) => {
    const wished = picked(logits, wanted('dlr-targeted', target));
    const [first, , third, fourth] = largest(logits, 4, 'dlr-targeted');
    const distance = sub(first!, mul(add(third!, fourth!), 0.5));
    return at(div(sub(wished, picked(logits, label)), add(distance, tiny)));
  },
} as const satisfies Record<string, Loss>;

/** The name of a loss. */
export type LossName = keyof typeof losses;

/** Whether a loss is of a target beside the label. */
export const needsTarget = (loss: LossName): boolean => loss === 'difference' || loss === 'dlr-targeted';

function wanted(loss: string, target: Value | null): Value {
  if (!target) throw new Error(`the loss ${loss} needs a target beside the label`);
  return target;
}

/** Keeps a quotient finite where logits are equal. */
const tiny = 1e-12;

/** [batch,1] -> [batch] */
const at = (column: Value): Value => reduceSum(column, { axes: [1] });

const classesOf = (logits: Value): number => logits.shape[1] as number;

/** The logit of a class: [batch,1]. */
const picked = (logits: Value, label: Value): Value =>
  reduceSum(mul(logits, nn.oneHot(label, classesOf(logits))), rows);

/** The logits with the label's out of the way. */
const withoutLabel = (logits: Value, label: Value): Value =>
  sub(logits, mul(nn.oneHot(label, classesOf(logits)), beyond));

function gapOf(logits: Value, label: Value): Value {
  const others = withoutLabel(logits, label);
  const top = stopGradient(reduceMax(others, rows));
  const sum = reduceSum(exp(sub(others, top)), rows);
  return at(sub(add(top, log(sum)), picked(logits, label)));
}

const marginOf = (logits: Value, label: Value): Value =>
  sub(reduceMax(withoutLabel(logits, label), rows), picked(logits, label));

/**
 * The `count` largest logits of each row, [batch,1] each, in falling order; equal ones count one by one, as in a sorted
 * list. By maxima and masks, because the gradient of a maximum is a choice and WebGPU has no TopK.
 */
function largest(logits: Value, count: number, loss: string): readonly Value[] {
  const classes = classesOf(logits);
  if (classes < count) throw new Error(`the loss ${loss} needs ${count} classes or more, got ${classes}`);
  // negative, so that the largest is the first of several
  const order = constant(
    tensorOf(
      'float32',
      [1, classes],
      Array.from({ length: classes }, (_, i) => -i),
    ),
  );
  const found: Value[] = [];
  let rest = stopGradient(logits);
  for (let n = 0; n < count; n++) {
    const candidates = where(equal(rest, reduceMax(rest, rows)), order, -classes);
    const first = cast(equal(candidates, reduceMax(candidates, rows)), 'float32');
    found.push(reduceSum(mul(logits, first), rows));
    rest = sub(rest, mul(first, beyond));
  }
  return found;
}
