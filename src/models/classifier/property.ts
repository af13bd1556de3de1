import {
  abs,
  add,
  concat,
  constant,
  div,
  exp,
  input,
  isStatic,
  log,
  matmul,
  max,
  mul,
  neg,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  rewrite,
  showType,
  slice,
  stopGradient,
  sub,
  tensorOf,
  transpose,
  type Dim,
  type Graph,
  type Value,
} from '../../builder/index.ts';
import { loosened } from './loosen.ts';
import { beforeSoftmax } from './ports.ts';

/** Inputs of a network between two bounds, and conditions on its outputs: a conjunction an entry. */
export interface PropertyRegion {
  /** Bounds of each input, flattened in row-major order. */
  readonly low: ArrayLike<number>;
  readonly high: ArrayLike<number>;
  /** Conditions: the sum of factor times output over the terms is `bound` at the most. */
  readonly anyOf: readonly (readonly {
    readonly terms: readonly (readonly [index: number, factor: number])[];
    readonly bound: number;
  }[])[];
}

/** A region of a property as a classifier that attacks can be run on. */
export interface PropertyClassifier {
  /**
   * `image` float32 [batch,C,H,W] in 0..1, the place in the box, where 0 is the lower bound and 1 the upper ->
   * `logits` [batch,1+conjunctions]: 0, then by how much each conjunction is met. An image that is no longer of class 0
   * is a counterexample.
   */
  readonly graph: Graph;
  /**
   * The same with conjunctions that are met by less than their least condition is, the less the nearer the others are to it,
   * so that its gradient is one of all conditions. Null where no conjunction has several.
   */
  readonly soft: Graph | null;
  readonly image: { readonly channels: number; readonly height: number; readonly width: number };
  readonly classes: number;
  /** The place in the file's input of each value of an image. */
  readonly order: Int32Array;
}

/**
 * The question whether a network has a counterexample in a region, as that for an image which a classifier gets wrong.
 *
 * @param file a network with one float32 input and one output, whose first dimension is the batch.
 * @throws Error in one line when it has others, or other numbers of values than the region.
 */
export function propertyClassifier(file: Graph, { low, high, anyOf }: PropertyRegion): PropertyClassifier {
  const { name, inputs } = file;
  const [own, ...others] = inputs;
  const outputs = Object.values(file.outputs);
  if (!own || others.length > 0 || outputs.length !== 1 || own.dtype !== 'float32') {
    throw new Error(`${name} must have one float32 input and one output, to be asked about a property`);
  }
  const [batch] = own.shape;
  const dims = own.shape.slice(1);
  if (!isStatic(dims))
    throw new Error(`${name}: its input is ${showType(own)}; all but the batch must be numbers`);
  const size = (dims as readonly number[]).reduce((a, b) => a * b, 1);
  if (size !== low.length) throw new Error(`${name} has ${size} inputs, the property ${low.length}`);
  const { graph, rows } = typeof batch === 'number' ? openBatch(file, batch) : { graph: file, rows: batch! };
  const { channels, height, width, perm } = imageOf(dims);
  const image = input('image', 'float32', [rows, channels, height, width]);
  const bounds = (value: (i: number) => number): Value =>
    constant(
      tensorOf(
        'float32',
        [1, ...dims],
        Array.from({ length: size as number }, (_, i) => value(i)),
      ),
    );
  const placed = reshape(perm ? transpose(image, perm) : image, [0, ...dims]);
  const x = add(
    mul(
      placed,
      bounds((i) => high[i]! - low[i]!),
    ),
    bounds((i) => low[i]!),
  );
  const { answer } = rewrite(
    { ...graph, outputs: { answer: Object.values(graph.outputs)[0]! } },
    () => null,
    (value) => (value.source.kind === 'input' ? x : value),
  ).outputs;
  return {
    graph: { name: `${name}-property`, inputs: [image], outputs: { logits: classes(answer!, anyOf, least) } },
    soft: anyOf.some((all) => all.length > 1)
      ? {
          name: `${name}-soft-property`,
          inputs: [image],
          outputs: { logits: classes(answer!, anyOf, softLeast) },
        }
      : null,
    image: { channels, height, width },
    classes: 1 + anyOf.length,
    order: orderOf({ channels, height, width }, perm !== null),
  };
}

function openBatch(file: Graph, batch: number): { readonly graph: Graph; readonly rows: Dim } {
  const rows = 'batch';
  return { graph: loosened(file, batch, rows), rows };
}

/** How a file's input is seen as an image, so that attacks which change squares of neighbours have neighbours. */
function imageOf(dims: readonly number[]) {
  const [a = 1, b = 1, c = 1] = dims;
  if (dims.length === 3 && isColours(a)) return { channels: a, height: b, width: c, perm: null };
  // [height,width,channels] from [channels,height,width]
  if (dims.length === 3 && isColours(c)) return { channels: c, height: a, width: b, perm: [0, 2, 3, 1] };
  const size = dims.reduce<number>((x, y) => x * y, 1);
  const side = Math.round(Math.sqrt(size));
  const [height, width] = side * side === size ? [side, side] : [1, size];
  return { channels: 1, height, width, perm: null };
}

const isColours = (dim: number): boolean => dim === 1 || dim === 3;

function orderOf(
  { channels, height, width }: PropertyClassifier['image'],
  lastChannels: boolean,
): Int32Array {
  const pixels = height * width;
  return Int32Array.from({ length: channels * pixels }, (_, i) =>
    lastChannels ? (i % pixels) * channels + Math.floor(i / pixels) : i,
  );
}

/** 0, and by how much each conjunction is met. */
function classes(answer: Value, anyOf: PropertyRegion['anyOf'], least: (slack: Value) => Value): Value {
  const outputs = answer.shape.slice(1).reduce<number>((a, b) => a * Number(b), 1);
  const conditions = anyOf.flat();
  const missing = conditions.flatMap(({ terms }) => terms).find(([index]) => index >= outputs);
  if (missing) throw new Error(`the network has ${outputs} outputs, the property asks for Y_${missing[0]}`);
  const factors = new Array<number>(outputs * conditions.length).fill(0);
  conditions.forEach(({ terms }, column) => {
    for (const [index, factor] of terms) factors[index * conditions.length + column] = -factor;
  });
  const flat = reshape(isOrder(conditions) ? beforeSoftmax(answer) : answer, [0, outputs]);
  // one column a condition: its bound, less its terms
  const slack = add(
    matmul(flat, constant(tensorOf('float32', [outputs, conditions.length], factors))),
    constant(
      tensorOf(
        'float32',
        [1, conditions.length],
        conditions.map(({ bound }) => bound),
      ),
    ),
  );
  const zero = mul(slice(flat, [0], [1], [1]), 0);
  const met = anyOf.every((all) => all.length === 1) ? [slack] : conjunctions(slack, anyOf, least);
  return concat([zero, ...met], 1);
}

/**
 * Whether conditions only say which output is the larger of two. A softmax leaves that as it is, but in float32 it hides
 * from an attack how far there is to go.
 */
const isOrder = (conditions: readonly PropertyRegion['anyOf'][number][number][]): boolean =>
  conditions.every(
    ({ terms, bound }) => bound === 0 && terms.length === 2 && terms[0]![1] + terms[1]![1] === 0,
  );

function conjunctions(
  slack: Value,
  anyOf: PropertyRegion['anyOf'],
  least: (slack: Value) => Value,
): readonly Value[] {
  let from = 0;
  return anyOf.map((all) => {
    const own = slice(slack, [from], [from + all.length], [1]);
    from += all.length;
    return least(own);
  });
}

const rows = { axes: [1], keepdims: true } as const;

/** A conjunction is met by as much as its least condition: [batch,conditions] -> [batch,1]. */
const least = (slack: Value): Value => neg(reduceMax(neg(slack), rows));

/** How soft the least is, in parts of how far the conditions are apart. */
const softness = 0.5;

/**
 * -t * log(sum exp(-slack_i / t)), which is the least at the most. The temperature t follows the mean distance of the
 * conditions from their mean, so that no scale of the outputs changes the way.
 */
function softLeast(slack: Value): Value {
  const mean = reduceMean(slack, rows);
  const t = stopGradient(max(mul(reduceMean(abs(sub(slack, mean)), rows), softness), tiny));
  const least = stopGradient(neg(reduceMax(neg(slack), rows)));
  return sub(least, mul(t, log(reduceSum(exp(div(sub(least, slack), t)), rows))));
}

/** Keeps a quotient finite where all conditions are met by as much. */
const tiny = 1e-12;
