import { InputError } from '../errors.ts';

/** A linear condition on a network's outputs: the sum of `factor * Y_index` over the terms is `bound` at the most. */
export interface HalfSpace {
  readonly terms: readonly (readonly [index: number, factor: number])[];
  readonly bound: number;
}

/** A box of inputs, and what the outputs must be for one of them to be a counterexample. */
export interface Region {
  /** Bounds of each input, flattened in row-major order. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Conjunctions of conditions, one of which must hold. */
  readonly anyOf: readonly (readonly HalfSpace[])[];
}

/** A property of a network, as the competition of verifiers (VNN-COMP) states it: its regions hold what must not be. */
export interface Property {
  readonly inputs: number;
  readonly outputs: number;
  readonly regions: readonly Region[];
}

/** Conjunctions that a property may come to when its disjunctions are multiplied out. */
const mostCases = 10_000;

/**
 * Reads a property in VNN-LIB 1.0: inputs `X_i` in boxes, and `and`, `or`, `<=` and `>=` over linear terms of the outputs
 * `Y_j`.
 *
 * @param name what errors call it.
 * @throws InputError in one line when it is not such a property.
 */
export function parseVnnlib(text: string, name: string): Property {
  const fail = (why: string): never => {
    throw new InputError(`${name}: ${why}`);
  };
  const counts = { X: 0, Y: 0 };
  const asserted: (readonly Conjunction[])[] = [];
  for (const command of expressionsOf(text, fail)) {
    const [head, first, ...rest] = listed(command, fail);
    if (head === 'declare-const') {
      const { letter, index } = variableOf(first, fail);
      if (rest.length !== 1 || rest[0] !== 'Real') fail(`${String(first)} must be declared as Real`);
      counts[letter] = Math.max(counts[letter], index + 1);
    } else if (head === 'assert' && first !== undefined && rest.length === 0) {
      asserted.push(casesOf(first, fail));
    } else fail(`knows declare-const and assert, got ${shown(command)}`);
  }
  if (counts.X === 0 || counts.Y === 0) fail('declares no inputs X_i or no outputs Y_j');
  return { inputs: counts.X, outputs: counts.Y, regions: regionsOf(product(asserted, fail), counts, fail) };
}

/**
 * A counterexample in the form of the competition: `((X_0 0.1)` ... `(Y_9 2.5))`.
 *
 * @param input flattened in row-major order.
 */
export function counterexample(input: ArrayLike<number>, output: ArrayLike<number>): string {
  const lines = (letter: string, values: ArrayLike<number>): readonly string[] =>
    Array.from(values, (value, i) => `(${letter}_${i} ${value})`);
  return `(${[...lines('X', input), ...lines('Y', output)].join('\n')})`;
}

/** By how much outputs meet the conjunction that they meet best: 0 or more where one is met. */
export const satisfaction = (anyOf: Region['anyOf'], output: ArrayLike<number>): number =>
  Math.max(...anyOf.map((all) => Math.min(...all.map((one) => slack(one, output)))));

const slack = ({ terms, bound }: HalfSpace, output: ArrayLike<number>): number =>
  terms.reduce((rest, [index, factor]) => rest - factor * output[index]!, bound);

type Fail = (why: string) => never;
type Expression = string | readonly Expression[];
type Letter = 'X' | 'Y';

/** A linear term over inputs and outputs, and a constant. */
interface Linear {
  readonly factors: ReadonlyMap<string, number>;
  readonly constant: number;
}
/** Linear terms that are 0 at the most, all of them. */
type Conjunction = readonly Linear[];

function expressionsOf(text: string, fail: Fail): readonly Expression[] {
  const open: Expression[][] = [[]];
  for (const [token] of text.replace(/;[^\n]*/g, '').matchAll(/[()]|[^\s()]+/g)) {
    if (token === '(') open.push([]);
    else if (token === ')') {
      const done = open.pop()!;
      if (open.length === 0) fail('has a ) too many');
      open.at(-1)!.push(done);
    } else open.at(-1)!.push(token);
  }
  if (open.length > 1) fail('ends within brackets; it is not whole');
  return open[0]!;
}

const listed = (expression: Expression, fail: Fail): readonly Expression[] =>
  typeof expression === 'string' ? fail(`expects brackets, got ${expression}`) : expression;

function casesOf(expression: Expression, fail: Fail): readonly Conjunction[] {
  const [head, ...parts] = listed(expression, fail);
  switch (head) {
    case 'and':
      return product(
        parts.map((part) => casesOf(part, fail)),
        fail,
      );
    case 'or':
      return parts.flatMap((part) => casesOf(part, fail));
    case '<=':
    case '>=': {
      if (parts.length !== 2) fail(`${head} takes two terms, got ${shown(expression)}`);
      const [a, b] = parts.map((part) => linear(part, fail)) as [Linear, Linear];
      return [[head === '<=' ? plus(a, times(b, -1)) : plus(b, times(a, -1))]];
    }
    default:
      return fail(`knows and, or, <= and >=, got ${shown(expression)}`);
  }
}

/** Every choice of a case of each factor, joined. */
function product(factors: readonly (readonly Conjunction[])[], fail: Fail): readonly Conjunction[] {
  // thousands of factors are single bounds, which every case has
  const common = factors.flatMap((factor) => (factor.length === 1 ? factor[0]! : []));
  const choices = factors.filter((factor) => factor.length !== 1);
  const count = choices.reduce((all, choice) => all * choice.length, 1);
  if (count > mostCases) fail(`comes to more than ${mostCases} cases`);
  return choices
    .reduce<readonly Conjunction[]>(
      (cases, choice) => cases.flatMap((one) => choice.map((other) => [...one, ...other])),
      [[]],
    )
    .map((own) => (own.length === 0 ? common : [...common, ...own]));
}

function linear(expression: Expression, fail: Fail): Linear {
  if (typeof expression === 'string') {
    const number = Number(expression);
    if (Number.isFinite(number)) return { factors: new Map(), constant: number };
    const { letter, index } = variableOf(expression, fail);
    return { factors: new Map([[`${letter}_${index}`, 1]]), constant: 0 };
  }
  const [head, ...parts] = expression;
  const terms = parts.map((part) => linear(part, fail));
  const [first, ...rest] = terms;
  if (first && head === '+') return terms.reduce(plus);
  if (first && head === '-') {
    return rest.length === 0
      ? times(first, -1)
      : rest.reduce((sum, term) => plus(sum, times(term, -1)), first);
  }
  if (first && head === '*') {
    return terms.reduce((a, b) =>
      a.factors.size === 0
        ? times(b, a.constant)
        : b.factors.size === 0
          ? times(a, b.constant)
          : fail(`knows linear terms only, got ${shown(expression)}`),
    );
  }
  return fail(`knows numbers, X_i, Y_j, +, - and *, got ${shown(expression)}`);
}

const plus = (a: Linear, b: Linear): Linear => {
  const factors = new Map(a.factors);
  for (const [name, factor] of b.factors) factors.set(name, (factors.get(name) ?? 0) + factor);
  return { factors, constant: a.constant + b.constant };
};
const times = ({ factors, constant }: Linear, by: number): Linear => ({
  factors: new Map([...factors].map(([name, factor]) => [name, factor * by])),
  constant: constant * by,
});

function variableOf(
  token: Expression | undefined,
  fail: Fail,
): { readonly letter: Letter; readonly index: number } {
  const [, letter, index] = (typeof token === 'string' && /^([XY])_(\d+)$/.exec(token)) || [];
  return letter
    ? { letter: letter as Letter, index: Number(index) }
    : fail(`expects X_i or Y_j, got ${shown(token)}`);
}

/** Cases with the same box make one region. */
function regionsOf(
  cases: readonly Conjunction[],
  { X, Y }: { readonly X: number; readonly Y: number },
  fail: Fail,
): readonly Region[] {
  const regions = new Map<string, Region & { readonly anyOf: (readonly HalfSpace[])[] }>();
  for (const one of cases) {
    const low = new Float64Array(X).fill(-Infinity);
    const high = new Float64Array(X).fill(Infinity);
    const conditions: HalfSpace[] = [];
    for (const { factors, constant } of one) {
      const terms = [...factors].filter(([, factor]) => factor !== 0);
      const indexOf = ([name, factor]: readonly [string, number]) => {
        const { letter, index } = variableOf(name, fail);
        if (index >= { X, Y }[letter]) fail(`uses ${name} without declaring it`);
        return { letter, index, factor };
      };
      const variables = terms.map(indexOf);
      const ofInputs = variables.filter(({ letter }) => letter === 'X');
      const [only] = ofInputs;
      if (!only) {
        conditions.push({ terms: variables.map(({ index, factor }) => [index, factor]), bound: -constant });
      } else if (variables.length === 1) {
        const bound = -constant / only.factor;
        if (only.factor > 0) high[only.index] = Math.min(high[only.index]!, bound);
        else low[only.index] = Math.max(low[only.index]!, bound);
      } else
        fail(
          `has a condition over several inputs, or inputs and outputs: ${terms.map(([name]) => name).join(', ')}`,
        );
    }
    const open = low.findIndex((bound, i) => !(bound > -Infinity && high[i]! < Infinity));
    if (open !== -1) fail(`does not bound X_${open} from below and above`);
    if (low.some((bound, i) => bound > high[i]!)) continue;
    const key = `${low.join()};${high.join()}`;
    const region = regions.get(key) ?? { low, high, anyOf: [] };
    region.anyOf.push(conditions);
    regions.set(key, region);
  }
  return [...regions.values()];
}

function shown(expression: Expression | undefined): string {
  const text = expression === undefined ? 'nothing' : lisp(expression);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
const lisp = (expression: Expression): string =>
  typeof expression === 'string' ? expression : `(${expression.map(lisp).join(' ')})`;
