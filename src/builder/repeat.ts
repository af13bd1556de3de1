import { constant, input, inputName, scalar, tensorOf, type Value } from './ir.ts';
import { apply, gather, identity, reshape, shapeOf } from './ops.ts';
import type { Port, Program } from './program.ts';
import { rewrite } from './rewrite.ts';

/**
 * For a data input of a step: the type of one stored example, and how a batch of those becomes the input. An input that is
 * not named here is given anew for each step.
 */
export type Resident = Readonly<
  Record<string, { readonly row: Port; readonly from: (rows: Value) => Value }>
>;

/**
 * As many training steps in one run as batches are asked for, as an ONNX Loop: state stays where the loop runs, and
 * batches are gathered inside from all the examples. Lower the step first; the result is for `encodeProgram`.
 *
 * Its data are `indices` int64 [steps, batch] and, for each data input of the step, all examples under `all/<name>`, or
 * those of each step under `each/<name>` [steps, ...]; its metrics come back as [steps]. State and frozen weights are those
 * of the step.
 */
export function repeatSteps({ graph, metadata }: Program, resident: Resident): Program {
  const batch = metadata.data[0]!.shape[0] as number;
  const indices = input('indices', 'int64', ['steps', batch]);
  const all = metadata.data.map(({ name, dtype, shape }) => {
    const row = resident[name]?.row;
    return row
      ? input(`all/${name}`, row.dtype, ['examples', ...row.shape])
      : input(`${eachPrefix}${name}`, dtype, ['steps', ...shape]);
  });
  const iteration = input('step/iteration', 'int64', []);
  const condition = input('step/condition', 'bool', []);
  const carried = metadata.state.map(({ name, dtype, shape }) => input(`step/${name}`, dtype, shape));

  const now = gather(indices, iteration, 0);
  const inner = new Map<string, Value>([
    ...metadata.state.map(({ name }, i) => [name, carried[i]!] as const),
    ...metadata.data.map(({ name }, i) => {
      const from = resident[name]?.from;
      return [name, from ? from(gather(all[i]!, now, 0)) : gather(all[i]!, iteration, 0)] as const;
    }),
  ]);
  const step = rewrite(
    graph,
    () => null,
    (x) => (x.source.kind === 'input' ? (inner.get(x.source.name) ?? x) : x),
  );
  const results = [
    ...metadata.state.map(({ output }) => [`step/${output}`, step.outputs[output]!] as const),
    ...metadata.metrics.map((name) => [`step/${name}`, step.outputs[name]!] as const),
  ];
  const body = {
    name: `${metadata.name}-step`,
    inputs: [iteration, condition, ...carried],
    outputs: { 'step/again': identity(condition), ...Object.fromEntries(results) },
  };

  const states = metadata.state.map(({ name, dtype, shape }) => input(name, dtype, shape));
  const trip = gather(shapeOf(indices), scalar(0, 'int64'), 0);
  const again = constant(tensorOf('bool', [], [1]));
  const outputs = apply('Loop', [trip, again, ...states], { body });
  const names = [...metadata.state.map(({ output }) => output), ...metadata.metrics];
  const frozen = graph.inputs.filter((x) => metadata.frozen.some(({ name }) => name === inputName(x)));
  const data = [indices, ...all];
  return {
    graph: {
      name: `${metadata.name}-repeated`,
      inputs: [...data, ...frozen, ...states],
      outputs: Object.fromEntries(names.map((name, i) => [name, outputs[i]!])),
    },
    metadata: {
      ...metadata,
      data: data.map((x) => ({ name: inputName(x), dtype: x.dtype, shape: x.shape })),
    },
  };
}

/** What stands before the name of an input that is given anew for each step. */
export const eachPrefix = 'each/';

/** Rows that are the input already. */
export const asTheyAre = (port: Port) => ({
  row: { ...port, shape: port.shape.slice(1) },
  from: (rows: Value): Value => reshape(rows, port.shape as readonly number[]),
});
