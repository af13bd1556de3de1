import { constant, constantNumbers, type AnyNode, type Graph, type Tensor, type Value } from '../ir.ts';
import { hardSigmoid, mul } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { sameShape } from '../shape.ts';
import { isSmaller, readersOf } from './readers.ts';

/**
 * Products in the order that costs least: numbers and signs become one number, which goes into a constant or a small factor, and
 * small factors are multiplied before they meet a large one. Autodiff leaves them one by one, and each is a pass over memory.
 * Half of 1 + erf or of 1 + tanh, in both directions of GELU, becomes one HardSigmoid.
 */
export function gatherScales(graph: Graph): Graph {
  const isInner = innerProducts(graph);
  return rewrite(graph, (node, original) => {
    if (!isProduct(original) || isInner.has(original.outputs[0]!)) return null;
    const product = flattened(node, original, isInner);
    const small = product.scales + product.factors.filter((x) => isSmaller(x, original.outputs[0]!)).length;
    if (small === 0 || product.factors.length === 0) return null;
    const { scale, factors } = product.scales > 0 ? halvedSums(product) : product;
    const saves = small > 1 || (product.scales > 0 && scale === 1);
    // beyond that, what was kept in range step by step might not be
    if (!saves || Math.abs(scale) < 2 ** -60 || Math.abs(scale) > 2 ** 60) return null;
    const y = multiplied(factors, scale);
    return sameShape(y.shape, original.outputs[0]!.shape) ? [y] : null;
  });
}

interface Product {
  readonly scale: number;
  /** How many numbers it is made of. */
  readonly scales: number;
  readonly factors: readonly Value[];
}

const isProduct = ({ op, inputs, outputs }: AnyNode): boolean =>
  outputs[0]!.dtype === 'float32' &&
  (op === 'Mul' || op === 'Neg' || (op === 'Div' && isDividedByNumber(inputs, outputs[0]!)));

const isDividedByNumber = ([x, divisor]: AnyNode['inputs'], y: Value): boolean =>
  numberOf(divisor!) !== null && sameShape(x!.shape, y.shape);

/** A single number, which broadcasts to no other shape than the other operand's. */
function numberOf(value: Value): number | null {
  return value.shape.every((dim) => dim === 1) ? (constantNumbers(value)?.[0] ?? null) : null;
}

/** What products take apart: a product that one of them alone reads, and a scaled value that products alone read. */
function innerProducts(graph: Graph): ReadonlySet<Value> {
  const isInner = ({ source }: Value, by: readonly (AnyNode | null)[]): boolean =>
    source.kind === 'node' &&
    isProduct(source) &&
    by.every((node) => node && isProduct(node)) &&
    (by.length === 1 || source.op === 'Neg' || source.inputs.some((x) => isSmaller(x!, source.outputs[0]!)));
  return new Set([...readersOf(graph)].filter(([x, by]) => isInner(x, by)).map(([x]) => x));
}

/** @param original the same product before its factors were rewritten. */
function flattened(node: AnyNode, original: AnyNode, isInner: ReadonlySet<Value>): Product {
  let scale = node.op === 'Neg' ? -1 : 1;
  let scales = node.op === 'Neg' ? 1 : 0;
  const factors: Value[] = [];
  node.inputs.forEach((x, i) => {
    const before = original.inputs[i]!;
    const number = isScale(node, i) ? numberOf(x!) : null;
    if (number !== null) {
      scale = node.op === 'Div' ? scale / number : scale * number;
      scales++;
    } else if (isInner.has(before)) {
      const inner = flattened(x!.source as AnyNode, before.source as AnyNode, isInner);
      scale *= inner.scale;
      scales += inner.scales;
      factors.push(...inner.factors);
    } else factors.push(x!);
  });
  return { scale, scales, factors };
}

/** Whether this operand of a product, if it is a number, scales the other, and leaves its shape as it is. */
const isScale = ({ op, inputs, outputs }: AnyNode, i: number): boolean =>
  op === 'Div'
    ? i === 1
    : inputs.length === 2 &&
      inputs[1 - i]!.source.kind !== 'constant' &&
      sameShape(inputs[1 - i]!.shape, outputs[0]!.shape);

/** Half of 1 + erf or of 1 + tanh lies in [0, 1], where HardSigmoid is a line. */
function halvedSums({ scale, factors }: Product): Pick<Product, 'scale' | 'factors'> {
  const at = factors.findIndex((factor) => bounded(factor) !== null);
  return at < 0
    ? { scale, factors }
    : { scale: scale * 2, factors: factors.with(at, hardSigmoid(bounded(factors[at]!)!, 0.5, 0.5)) };
}

/** The erf or tanh to which a value adds 1; null where it is another value. */
function bounded({ source }: Value): Value | null {
  if (source.kind !== 'node' || source.op !== 'Add') return null;
  const [a, b] = source.inputs as readonly [Value, Value];
  const [x, one] = a.source.kind === 'constant' ? [b, a] : [a, b];
  const isBounded = x.source.kind === 'node' && (x.source.op === 'Erf' || x.source.op === 'Tanh');
  return isBounded && numberOf(one) === 1 && sameShape(x.shape, source.outputs[0]!.shape) ? x : null;
}

/** Longer constants are weights, which are kept once. */
const longest = 4096;

/** The small factors first: their product is small too. */
function multiplied(factors: readonly Value[], scale: number): Value {
  const largest = factors.reduce((a, b) => (isSmaller(a, b) ? b : a));
  const small = factors.filter((x) => isSmaller(x, largest));
  const full = factors.filter((x) => !isSmaller(x, largest));
  const order = [...small, ...full];
  const fixed = order.findIndex(
    ({ source }) => source.kind === 'constant' && source.tensor.data.length <= longest,
  );
  const at = fixed >= 0 ? fixed : small.length - 1;
  const placed = scale === 1 || at < 0 ? order : order.with(at, scaled(order[at]!, scale));
  const product = placed.reduce((a, b) => mul(a, b));
  return scale === 1 || at >= 0 ? product : mul(product, scale);
}

function scaled(value: Value, scale: number): Value {
  const { source } = value;
  if (source.kind !== 'constant' || source.tensor.data.length > longest) return mul(value, scale);
  const data = (source.tensor.data as Float32Array).map((x) => x * scale);
  const isLost = data.some((x, i) => !Number.isFinite(x) || (x === 0) !== (source.tensor.data[i] === 0));
  return isLost ? mul(value, scale) : constant({ ...source.tensor, data } as Tensor);
}
