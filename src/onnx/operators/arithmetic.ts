import { constantNumbers, isFloat, type Value } from '../../builder/ir.ts';
import {
  abs,
  add,
  and,
  apply,
  cast,
  clip,
  cos,
  div,
  equal,
  exp,
  floor,
  greater,
  less,
  log,
  matmul,
  max,
  min,
  mul,
  neg,
  not,
  pow,
  sign,
  sin,
  sqrt,
  sub,
  where,
} from '../../builder/ops.ts';
import { needed, type Family, type Foreign, type Importer } from '../foreign.ts';
import { primitive } from './primitive.ts';

const same = (op: Parameters<typeof primitive>[0], required = 1) => ({ 1: primitive(op, required) });

/** One value from any number of them, two by two. */
const variadic =
  (f: (a: Value, b: Value) => Value): Importer =>
  ({ inputs }) =>
    inputs.reduce(f);

/** The remainder of a division towards zero, with the sign of `a`. */
const remainder = (a: Value, b: Value): Value => {
  const quotient = div(a, b);
  return sub(a, mul(b, isFloat(a) ? mul(sign(quotient), floor(abs(quotient))) : quotient));
};

/** With the sign of `b`, as Python has it; with `fmod` that of `a`, as C has it. */
function mod({ x, at, int }: Foreign): Value {
  const b = at(1);
  return int('fmod', 0) ? remainder(x, b) : remainder(add(remainder(x, b), b), b);
}

const or = (a: Value, b: Value): Value => not(and(not(a), not(b)));

/** Numbers limited by bounds that may be computed. */
function clipped({ x, maybe }: Foreign): Value {
  const bounds = [maybe(1), maybe(2)] as const;
  if (bounds.every((bound) => !bound || (bound.source.kind === 'constant' && bound.shape.length === 0))) {
    return apply('Clip', [x, ...bounds], {})[0]!;
  }
  const [low, high] = bounds;
  const above = low ? max(x, low) : x;
  return high ? min(above, high) : above;
}

/** Powers that cost less as products and roots, in the gradient above all. */
const powers: Readonly<Record<string, (x: Value) => Value>> = {
  '-1': (x) => div(1, x),
  '0.5': sqrt,
  '1': (x) => x,
  '2': (x) => mul(x, x),
  '3': (x) => mul(mul(x, x), x),
};

/** The base and the exponent may differ in type: the result is of the base's. */
const power = ({ x, at }: Foreign): Value => {
  const exponent = at(1);
  const numbers = exponent.shape.length <= x.shape.length ? constantNumbers(exponent) : null;
  const short = numbers?.length === 1 && isFloat(x) ? powers[String(numbers[0])] : undefined;
  return short ? short(x) : pow(x, cast(exponent, x.dtype));
};

/** 2^places, exactly. */
const shifted = ({ x, at, text }: Foreign): Value => {
  const factor = cast(pow(2, cast(at(1), 'float64')), x.dtype);
  return text('direction') === 'LEFT' ? mul(x, factor) : div(x, factor);
};

/** Numbers, element by element; comparisons and logic. */
export const arithmetic: Family = {
  Neg: same('Neg'),
  Abs: same('Abs'),
  Sqrt: same('Sqrt'),
  Exp: same('Exp'),
  Log: same('Log'),
  Sign: same('Sign'),
  Erf: same('Erf'),
  Sin: same('Sin'),
  Cos: same('Cos'),
  Tan: { 7: ({ x }) => div(sin(x), cos(x)) },
  Sinh: { 9: ({ x }) => mul(sub(exp(x), exp(neg(x))), 0.5) },
  Cosh: { 9: ({ x }) => mul(add(exp(x), exp(neg(x))), 0.5) },
  // of the magnitude, so that nothing is lost where x is large and negative
  Asinh: { 9: ({ x }) => mul(sign(x), log(add(abs(x), sqrt(add(mul(x, x), 1))))) },
  Acosh: { 9: ({ x }) => log(add(x, sqrt(sub(mul(x, x), 1)))) },
  Atanh: { 9: ({ x }) => mul(log(div(add(x, 1), sub(1, x))), 0.5) },
  Floor: same('Floor'),
  Ceil: same('Ceil'),
  Round: { 11: primitive('Round') },
  Reciprocal: { 6: ({ x }) => div(1, x) },
  Identity: same('Identity'),
  Add: same('Add', 2),
  Sub: same('Sub', 2),
  Mul: same('Mul', 2),
  Div: same('Div', 2),
  Mod: { 10: mod },
  Pow: { 7: power },
  BitShift: { 11: shifted },
  Max: { 8: variadic(max) },
  Min: { 8: variadic(min) },
  Sum: { 8: variadic(add) },
  Mean: {
    8: ({ inputs }) =>
      div(
        inputs.reduce((a, b) => add(a, b)),
        inputs.length,
      ),
  },
  MatMul: same('MatMul', 2),
  Clip: {
    6: ({ x, float }) => clip(x, float('min', -3.4028234663852886e38), float('max', 3.4028234663852886e38)),
    11: clipped,
  },
  Cast: {
    6: (node) => {
      // what is said of float8 and of rounding concerns neither
      node.int('saturate', 1);
      node.text('round_mode', 'up');
      return cast(node.x, needed(node.dtype('to'), 'to'));
    },
  },
  CastLike: {
    15: ({ x, at, int }) => {
      int('saturate', 1);
      return cast(x, at(1).dtype);
    },
  },
  Equal: { 7: ({ x, at }) => equal(x, at(1)) },
  Greater: { 7: ({ x, at }) => greater(x, at(1)) },
  Less: { 7: ({ x, at }) => less(x, at(1)) },
  GreaterOrEqual: { 12: ({ x, at }) => or(greater(x, at(1)), equal(x, at(1))) },
  LessOrEqual: { 12: ({ x, at }) => or(less(x, at(1)), equal(x, at(1))) },
  IsNaN: { 9: ({ x }) => not(equal(x, x)) },
  IsInf: {
    10: ({ x, int }) => {
      const [high, low] = [int('detect_positive', 1), int('detect_negative', 1)];
      if (!high && !low) return greater(abs(x), Infinity);
      return high && low ? equal(abs(x), Infinity) : equal(x, high ? Infinity : -Infinity);
    },
  },
  Not: same('Not'),
  And: { 7: ({ x, at }) => and(x, at(1)) },
  Or: { 7: ({ x, at }) => or(x, at(1)) },
  Xor: { 7: ({ x, at }) => not(equal(x, at(1))) },
  Where: { 9: ({ x, at }) => where(x, at(1), at(2)) },
  'com.microsoft.FusedMatMul': {
    1: ({ x, at, int, float }) => {
      for (const name of ['transBatchA', 'transBatchB']) {
        if (int(name, 0)) throw new Error(`attribute ${name} is not supported`);
      }
      const product = matmul(int('transA', 0) ? swapped(x) : x, int('transB', 0) ? swapped(at(1)) : at(1));
      return mul(product, float('alpha', 1));
    },
  },
};

/** The last two axes in the other order. */
export function swapped(x: Value): Value {
  const perm = x.shape.map((_, i) => i);
  return apply('Transpose', [x], { perm: [...perm.slice(0, -2), perm.length - 1, perm.length - 2] })[0]!;
}
