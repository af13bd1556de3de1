import { knownNumbers } from '../../builder/evaluate.ts';
import type { Value } from '../../builder/ir.ts';
import {
  add,
  concat,
  matmul,
  mul,
  sigmoid,
  slice,
  squeeze,
  sub,
  tanh,
  transpose,
  unsqueeze,
} from '../../builder/ops.ts';
import type { Family, Foreign, Importer } from '../foreign.ts';

/** Steps that are written out, one after the other. */
const mostSteps = 256;

/** What a cell carries from step to step; null before the first, where it counts as zero. */
interface State {
  readonly h: Value | null;
  readonly c: Value | null;
}

/** The weights of one direction. */
interface Weights {
  readonly hidden: number;
  /** [hidden,gates*hidden], already transposed. */
  readonly recurrent: Value;
  /** What is added to the recurrent product: [gates*hidden]; null for none. */
  readonly bias: Value | null;
  /** What the cell adds to gates of an LSTM, over its own state: [3*hidden], in the order i, o, f; null for none. */
  readonly peepholes: Value | null;
}

/** One step: `input` [batch,gates*hidden] is the product with the input, its bias added. */
type Cell = (input: Value, state: State, weights: Weights) => { readonly h: Value; readonly c: Value | null };

/** The gate at `index` of a row of gates. */
const gate = (x: Value, index: number, hidden: number): Value =>
  slice(x, [index * hidden], [(index + 1) * hidden], [x.shape.length - 1]);

/** The product with the state and its bias; null where both are zero. */
function fromState({ h }: State, { recurrent, bias }: Weights): Value | null {
  if (!h) return bias;
  const product = matmul(h, recurrent);
  return bias ? add(product, bias) : product;
}

const plus = (a: Value, b: Value | null): Value => (b ? add(a, b) : a);

/** c' = f c + i g, h' = o tanh(c'); gates in the order i, o, f, g. A peephole shows i and f the old c, o the new one. */
const lstm: Cell = (input, state, weights) => {
  const { hidden, peepholes } = weights;
  const all = plus(input, fromState(state, weights));
  const opened = (n: number, c: Value | null): Value =>
    sigmoid(plus(gate(all, n, hidden), peepholes && c && mul(c, gate(peepholes, n, hidden))));
  const fresh = mul(opened(0, state.c), tanh(gate(all, 3, hidden)));
  const c = state.c ? add(mul(opened(2, state.c), state.c), fresh) : fresh;
  return { h: mul(opened(1, c), tanh(c)), c };
};

/**
 * h' = (1 - z) n + z h; n = tanh(W x + r (R h + b)) or, unless `linear_before_reset`, tanh(W x + R (r h) + b); gates in
 * the order z, r, n
 */
const gru =
  (isLinearFirst: boolean): Cell =>
  (input, state, weights) => {
    const { hidden, recurrent, bias } = weights;
    const own = fromState(state, weights);
    const part = (x: Value | null, n: number): Value | null => x && gate(x, n, hidden);
    const [z, r] = [0, 1].map((n) => sigmoid(plus(gate(input, n, hidden), part(own, n)))) as [Value, Value];
    const last = part(own, 2);
    const inner = isLinearFirst
      ? last && mul(r, last)
      : state.h
        ? plus(matmul(mul(r, state.h), gate(recurrent, 2, hidden)), part(bias, 2))
        : part(bias, 2);
    const n = tanh(plus(gate(input, 2, hidden), inner));
    const h = mul(sub(1, z), n);
    return { h: state.h ? add(h, mul(z, state.h)) : h, c: null };
  };

const rnn: Cell = (input, state, weights) => ({ h: tanh(plus(input, fromState(state, weights))), c: null });

/** The activations that a cell has when a file names none. */
function checkActivations({ strings, floats }: Foreign, usual: readonly string[]): void {
  const given = strings('activations') ?? [];
  floats('activation_alpha');
  floats('activation_beta');
  if (given.some((name, i) => name.toLowerCase() !== usual[i % usual.length]!.toLowerCase())) {
    throw new Error(`activations ${given.join()} are not supported`);
  }
}

/**
 * A network over x [steps,batch,size] -> Y [steps,directions,batch,hidden], Y_h and Y_c [directions,batch,hidden]. With layout 1
 * the batch comes first in all of them, and in the states that it begins with.
 */
const recurrent =
  (gates: number, usual: readonly string[], cellOf: (node: Foreign) => Cell): Importer =>
  (node) => {
    const { at, maybe, int, text, float } = node;
    const isBatchFirst = int('layout', 0) === 1;
    const states = (y: Value): Value => (isBatchFirst ? transpose(y, [1, 0, 2]) : y);
    const begin = (index: number): Value | null => {
      const state = maybe(index);
      return state && states(state);
    };
    const x = states(node.x);
    const [steps] = x.shape;
    const cell = cellOf(node);
    checkActivations(node, usual);
    const hidden = int('hidden_size') ?? (at(2).shape[2] as number);
    for (const [name, given] of [
      ['input_forget', int('input_forget', 0)],
      ['clip', float('clip', 0)],
    ] as const) {
      if (given) throw new Error(`attribute ${name} is not supported`);
    }
    // lengths that are all of the sequence say nothing
    if (maybe(4) && !knownNumbers(at(4))?.every((length) => length === steps)) {
      throw new Error('sequences of different lengths are not supported');
    }
    if (typeof steps !== 'number' || steps > mostSteps || steps < 1) {
      throw new Error(`a sequence of ${steps} steps is not supported, only up to ${mostSteps}`);
    }
    const direction = text('direction', 'forward');
    const backwards = { forward: [false], reverse: [true], bidirectional: [false, true] }[direction];
    if (!backwards) throw new Error(`direction ${direction} is not supported`);
    const first = (value: Value | null, d: number): Value | null =>
      value && squeeze(slice(value, [d], [d + 1], [0]), [0]);
    const runs = backwards.map((isBackwards, d) => {
      const biases = first(maybe(3), d);
      const bias = biases && slice(biases, [gates * hidden], [2 * gates * hidden], [0]);
      const product = matmul(x, transpose(first(at(1), d)!));
      const inputs = biases ? add(product, slice(biases, [0], [gates * hidden], [0])) : product;
      const weights = {
        hidden,
        recurrent: transpose(first(at(2), d)!),
        bias,
        peepholes: first(maybe(7), d),
      };
      const order = Array.from({ length: steps }, (_, t) => (isBackwards ? steps - 1 - t : t));
      const outputs = new Array<Value>(steps);
      let state: State = { h: first(begin(5), d), c: first(begin(6), d) };
      for (const t of order) {
        const next = cell(squeeze(slice(inputs, [t], [t + 1], [0]), [0]), state, weights);
        outputs[t] = next.h;
        state = next;
      }
      return { outputs, state };
    });
    const stacked = (values: readonly Value[], axis: number): Value =>
      concat(
        values.map((value) => unsqueeze(value, [axis])),
        axis,
      );
    const perStep = Array.from({ length: steps }, (_, t) =>
      stacked(
        runs.map(({ outputs }) => outputs[t]!),
        0,
      ),
    );
    const cells = runs.flatMap(({ state }) => state.c ?? []);
    const all = stacked(perStep, 0);
    const last = stacked(
      runs.map(({ state }) => state.h!),
      0,
    );
    return [
      isBatchFirst ? transpose(all, [2, 0, 1, 3]) : all,
      states(last),
      cells.length > 0 ? states(stacked(cells, 0)) : null,
    ];
  };

export const recurrents: Family = {
  LSTM: { 7: recurrent(4, ['Sigmoid', 'Tanh', 'Tanh'], () => lstm) },
  GRU: { 7: recurrent(3, ['Sigmoid', 'Tanh'], ({ int }) => gru(int('linear_before_reset', 0) === 1)) },
  RNN: { 7: recurrent(1, ['Tanh'], () => rnn) },
};
