import { input, scalar, type Value } from './ir.ts';
import type { Variable } from './nn.ts';
import { add, clip, div, less, mul, pow, sqrt, sub, where, type Operand } from './ops.ts';

/** A pure optimizer: which state it needs, and one step of it. */
export interface Optimizer {
  /** The optimizer's own state for these parameters. */
  init(parameters: readonly Variable[]): readonly Variable[];
  /** New parameters and new optimizer state, each in the order given. */
  update(
    gradients: readonly Value[],
    parameters: readonly Variable[],
    state: readonly Variable[],
  ): { readonly parameters: readonly Value[]; readonly state: readonly Value[] };
}

/** Plain gradient descent: p - learningRate * g. */
export function sgd({ learningRate }: { readonly learningRate: number }): Optimizer {
  return {
    init: () => [],
    update: (gradients, parameters) => ({
      parameters: parameters.map((p, i) => sub(p.value, mul(gradients[i]!, learningRate))),
      state: [],
    }),
  };
}

/** Settings of Adam, with PyTorch's names and defaults. */
export interface AdamOptions {
  /** Whose parameters these are, where a program trains several networks: its step count is `adam/step/<network>`. */
  readonly network?: string;
  /** A scalar value where it changes from step to step. */
  readonly learningRate?: Operand;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/** PyTorch's. */
export const adamDefaults = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
} as const satisfies Required<Omit<AdamOptions, 'network'>>;

/**
 * Adam with PyTorch's formula and defaults (Kingma & Ba 2015, epsilon outside the bias-corrected root):
 *
 *     m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2
 *     p = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 *
 * State: `adam/step` (scalar t, float32; see {@link AdamOptions.network}), `adam/m/<name>` and `adam/v/<name>`, all zero at first.
 */
export function adam({ network, ...options }: AdamOptions = {}): Optimizer {
  const { learningRate, beta1, beta2, epsilon } = { ...adamDefaults, ...options };
  return {
    init: (parameters) => [
      zero(network === undefined ? 'adam/step' : `adam/step/${network}`, []),
      ...parameters.map((p) => zero(`adam/m/${p.name}`, p.value.shape as readonly number[])),
      ...parameters.map((p) => zero(`adam/v/${p.name}`, p.value.shape as readonly number[])),
    ],
    update(gradients, parameters, state) {
      const step = add(state[0]!.value, 1);
      const n = parameters.length;
      const m = gradients.map((g, i) => add(mul(state[1 + i]!.value, beta1), mul(g, 1 - beta1)));
      const v = gradients.map((g, i) => add(mul(state[1 + n + i]!.value, beta2), mul(mul(g, g), 1 - beta2)));
      const root2 = sqrt(sub(1, pow(beta2, step)));
      // numerator and denominator both times sqrt(1 - beta2^t): the corrections stay scalars
      const rate = div(mul(root2, learningRate), sub(1, pow(beta1, step)));
      const floor = mul(root2, epsilon);
      return {
        parameters: parameters.map((p, i) => sub(p.value, div(mul(m[i]!, rate), add(sqrt(v[i]!), floor)))),
        state: [step, ...m, ...v],
      };
    },
  };
}

/**
 * An optimizer that takes a step at every n-th call, the n-th first, and leaves everything as it is at the others. State beside
 * the optimizer's own: `turn/<network>`, how many calls it has left out since its last step.
 *
 * @param network whose parameters these are.
 * @param n 2 or more.
 */
export function everyNth(optimizer: Optimizer, n: number, network: string): Optimizer {
  return {
    init: (parameters) => [zero(`turn/${network}`, []), ...optimizer.init(parameters)],
    update(gradients, parameters, [turn, ...state]) {
      const calls = add(turn!.value, 1);
      const waits = less(calls, n);
      const step = optimizer.update(gradients, parameters, state);
      const chosen = (before: readonly Variable[], after: readonly Value[]): readonly Value[] =>
        before.map(({ value }, i) => where(waits, value, after[i]!));
      return {
        parameters: chosen(parameters, step.parameters),
        state: [where(waits, calls, scalar(0, 'float32')), ...chosen(state, step.state)],
      };
    },
  };
}

/**
 * An optimizer that also keeps the mean of what the parameters were, each step of less weight than the one after it:
 *
 *     a = decay a + (1 - decay) p
 *
 * State: `average/<name>`, which begins as zero; a training sets it to the parameter itself.
 *
 * @param decay in [0, 1).
 */
export function averaged(optimizer: Optimizer, decay: number): Optimizer {
  return {
    init: (parameters) => [
      ...optimizer.init(parameters),
      ...parameters.map((p) => zero(`${averagePrefix}${p.name}`, p.value.shape as readonly number[])),
    ],
    update(gradients, parameters, state) {
      const own = state.length - parameters.length;
      const next = optimizer.update(gradients, parameters, state.slice(0, own));
      const averages = next.parameters.map((p, i) =>
        add(mul(state[own + i]!.value, decay), mul(p, 1 - decay)),
      );
      return { parameters: next.parameters, state: [...next.state, ...averages] };
    },
  };
}

/** An optimizer whose parameters are clipped to [low, high] after every step: projected gradient descent. */
export function projected(optimizer: Optimizer, low: number, high: number): Optimizer {
  return {
    init: (parameters) => optimizer.init(parameters),
    update(gradients, parameters, state) {
      const next = optimizer.update(gradients, parameters, state);
      return { ...next, parameters: next.parameters.map((p) => clip(p, low, high)) };
    },
  };
}

/** What stands before a parameter's name in the name of its average. */
export const averagePrefix = 'average/';

const zero = (name: string, shape: readonly number[]): Variable => ({
  name,
  value: input(name, 'float32', shape),
  init: { kind: 'constant', value: 0 },
});
