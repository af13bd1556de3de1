import { grad } from './grad.ts';
import {
  constant,
  input,
  inputName,
  showType,
  type DType,
  type Graph,
  type Tensor,
  type Value,
} from './ir.ts';
import type { Init, Parameters, Variable } from './nn.ts';
import type { Optimizer } from './optim.ts';
import { identity } from './ops.ts';
import { bind } from './rewrite.ts';
import type { Dim } from './shape.ts';

/** A tensor that a program reads or writes, by the name it has in the graph. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** State: after a run, `output` is the next value of the input `name`. */
export interface StatePort extends Port {
  readonly output: string;
  readonly init: Init;
  /** Whether the optimizer moves it along its gradient; running statistics and Adam's moments are not trainable. */
  readonly trainable: boolean;
}

/** What each input and output of a program is for; written into the file under `sparring.program`. */
export interface ProgramMetadata {
  readonly schema: 1;
  readonly name: string;
  readonly kind: 'train' | 'infer';
  /** Fed anew each run: images, labels. */
  readonly data: readonly Port[];
  readonly state: readonly StatePort[];
  /** Given and not changed: the weights of an inference program, or of a frozen network. */
  readonly frozen: readonly Port[];
  /** Outputs that are measurements of the step. */
  readonly metrics: readonly string[];
  /** Outputs of an inference program. */
  readonly outputs: readonly string[];
  /** How the state is drawn: what `init` means. */
  readonly initialisation: string;
  /** Choices that shaped the program: eps, bound, learning rate. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/** A graph and what its inputs and outputs are for. */
export interface Program {
  readonly graph: Graph;
  readonly metadata: ProgramMetadata;
}

const initialisation =
  'constant: every element is `value`. uniform: float32(low + (high - low) * u) in row-major order; u is the upper 24 ' +
  'of 32 bits of xoroshiro128+, divided by 2^24; its state is MurmurHash3_x86_32, each UTF-16 code unit a block, of the JSON text ' +
  '[run seed, network ("c1", "c2", "target2" and so on, or "attacker"), "init", tensor name] with the seeds 1, 2, 3 and 4.';

/** A network that learns: what it minimises, by moving what, and how. */
export interface Learner {
  /** Scalar to minimise. */
  readonly loss: Value;
  readonly parameters: Parameters;
  readonly optimizer: Optimizer;
}

/** What training programs have in common. */
interface Step {
  readonly name: string;
  /** Inputs fed each step. */
  readonly data: readonly Value[];
  /** Networks that are read and not trained. */
  readonly frozen?: readonly Parameters[];
  readonly metrics: Readonly<Record<string, Value>>;
  readonly options?: ProgramMetadata['options'];
}

/** One training step of one network: its loss, its parameters and its optimizer. */
export interface TrainStep extends Step, Learner {}

/** One training step as a program: forward, loss, gradients and optimizer, from state to next state. */
export const trainStep = (spec: TrainStep): Program => jointStep({ ...spec, learners: [spec] });

/** One training step of several networks at once. */
export interface JointStep extends Step {
  /** Their parameters and optimizer state have distinct names. */
  readonly learners: readonly Learner[];
}

/**
 * One step of several learners as a program, each down its own loss along its own parameters. All read the state as it
 * was before the step, so their order does not matter.
 */
export function jointStep(spec: JointStep): Program {
  const state: StatePort[] = [];
  const outputs: Record<string, Value> = { ...spec.metrics };
  const carry = (variable: Variable, value: Value, isTrainable: boolean): void => {
    const output = `next/${variable.name}`;
    if (showType(value) !== showType(variable.value)) {
      throw new Error(
        `trainStep: ${variable.name} is ${showType(variable.value)} and becomes ${showType(value)}`,
      );
    }
    outputs[output] = value;
    state.push({ ...port(variable.value), output, init: variable.init, trainable: isTrainable });
  };
  const inputs = spec.learners.flatMap(({ loss, parameters, optimizer }) => {
    const { trainable, buffers, updates } = parameters;
    const gradients = grad(
      loss,
      trainable.map((p) => p.value),
    );
    const slots = optimizer.init(trainable);
    const next = optimizer.update(gradients, trainable, slots);
    trainable.forEach((p, i) => carry(p, next.parameters[i]!, true));
    buffers.forEach((b) => carry(b, updates.get(b.name) ?? b.value, false));
    slots.forEach((s, i) => carry(s, next.state[i]!, false));
    return [...trainable, ...buffers, ...slots].map((v) => v.value);
  });

  const frozen = (spec.frozen ?? []).flatMap(variables);
  return {
    graph: {
      name: spec.name,
      inputs: [...spec.data, ...frozen, ...inputs],
      outputs,
    },
    metadata: {
      schema: 1,
      name: spec.name,
      kind: 'train',
      data: spec.data.map(port),
      state,
      frozen: frozen.map(port),
      metrics: Object.keys(spec.metrics),
      outputs: [],
      initialisation,
      options: spec.options ?? {},
    },
  };
}

/** A network in use: what goes in, its parameters, what comes out. */
export interface Inference {
  readonly name: string;
  readonly data: readonly Value[];
  readonly parameters: readonly Parameters[];
  readonly outputs: Readonly<Record<string, Value>>;
  readonly options?: ProgramMetadata['options'];
}

/** A program without state: its weights are inputs until `bind` makes them constants. */
export function inference(spec: Inference): Program {
  const frozen = spec.parameters.flatMap(variables);
  return {
    graph: { name: spec.name, inputs: [...spec.data, ...frozen], outputs: spec.outputs },
    metadata: {
      schema: 1,
      name: spec.name,
      kind: 'infer',
      data: spec.data.map(port),
      state: [],
      frozen: frozen.map(port),
      metrics: [],
      outputs: Object.keys(spec.outputs),
      initialisation,
      options: spec.options ?? {},
    },
  };
}

/** An inference program with its weights inside; they are named as in the program. */
export function bindWeights({ graph, metadata }: Program, weights: ReadonlyMap<string, Tensor>): Program {
  const values = metadata.frozen.map(({ name }) => [name, constant(weights.get(name)!, name)] as const);
  return { graph: bind(graph, new Map(values)), metadata: { ...metadata, frozen: [] } };
}

/** The tensors of a network, trained ones first. */
export const variables = ({ trainable, buffers }: Parameters): readonly Value[] =>
  [...trainable, ...buffers].map((v) => v.value);

const port = (value: Value): Port => ({ name: inputName(value), dtype: value.dtype, shape: value.shape });

/** Gives every state tensor of a program back as `read/<name>`: a way to read what lies in a device's memory. */
export function readback({ metadata }: Program): Graph {
  const inputs = metadata.state.map(({ name, dtype, shape }) => input(name, dtype, shape));
  const outputs = inputs.map((x) => [`read/${inputName(x)}`, identity(x)] as const);
  return { name: `${metadata.name}-readback`, inputs, outputs: Object.fromEntries(outputs) };
}
