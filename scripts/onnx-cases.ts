// Counts how many of the ONNX project's own test cases of the operators that src/onnx/operators has give what they should.
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { inputName, lower, tensorOf, type Graph, type Tensor } from '../src/builder/index.ts';
import { decode, encode } from '../src/onnx/index.ts';
import { isOperator } from '../src/onnx/operators/index.ts';
import { decodeModel, decodeMessage, encodeModel, type Decoded } from '../src/onnx/proto.ts';
import { decodeTensor } from '../src/onnx/tensor.ts';
import { InferenceSession, OrtTensor } from '../src/runtime/ort.ts';

const command = new Command('onnx-cases')
  .description(
    'Runs the node test cases of the Python package onnx, which `python scripts/onnx_cases.py FOLDER` writes.',
  )
  .argument('[folder]')
  .option('--only <text>', 'cases whose name contains it', '')
  .option('--verbose', 'shows each case that does not pass, with the reason')
  .parse();
const [folder] = command.processedArgs;
const { only, verbose = false } = command.opts();

const outcomes = [
  'passed',
  'as ONNX Runtime and not as the case',
  'wrong',
  'rejected',
  'in integers or training mode, and said so',
  'operator not claimed',
  'opset above 26',
  'not of numbers',
] as const;
type Outcome = (typeof outcomes)[number];

/** The tensors of a case: `input_0.pb`, `input_1.pb`, ... */
function messages(at: string, kind: string): readonly Decoded<'Tensor'>[] {
  const paths: string[] = [];
  for (let path = ''; (path = join(at, `${kind}_${paths.length}.pb`)) && existsSync(path);) paths.push(path);
  return paths.map((path) => decodeMessage('Tensor', new Uint8Array(readFileSync(path))));
}

const numbersOf = (tensor: Tensor): number[] => Array.from<number | bigint, number>(tensor.data, Number);

/** Within the tolerance of the package's own runner; float16 has three digits. */
const isClose = (a: number, b: number, tolerance: number): boolean =>
  a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= tolerance * (0.01 + Math.abs(b));

/** The model with all inputs but some as constants. */
function withConstants(
  model: Decoded<'Model'>,
  inputs: readonly Decoded<'Tensor'>[],
  fed: number,
): Uint8Array {
  const graph = model.graph!;
  const initializer = graph.input.flatMap(({ name }, i) =>
    i < fed || !inputs[i] ? [] : [{ ...inputs[i], name }],
  );
  return encodeModel({ ...model, graph: { ...graph, initializer: [...graph.initializer, ...initializer] } });
}

async function run(graph: Graph, feeds: ReadonlyMap<string, Tensor>): Promise<readonly number[][]> {
  const session = await InferenceSession.create(encode(lower(graph, 'plain')), { logSeverityLevel: 4 });
  try {
    const fed = graph.inputs.map((x) => {
      const { shape, ...tensor } = feeds.get(inputName(x))!;
      const { data } = tensorOf(x.dtype, shape, numbersOf({ shape, ...tensor }));
      return [inputName(x), new OrtTensor(x.dtype, data as Float32Array, shape)] as const;
    });
    const results = await session.run(Object.fromEntries(fed));
    return Object.keys(graph.outputs).map((name) =>
      Array.from<number | bigint, number>(results[name]!.data as Float32Array, Number),
    );
  } finally {
    await session.release();
  }
}

/** What the file itself gives in ONNX Runtime. */
async function runFile(
  at: string,
  model: Decoded<'Model'>,
  tensors: readonly Tensor[],
): Promise<readonly number[][]> {
  const session = await InferenceSession.create(join(at, 'model.onnx'), { logSeverityLevel: 4 });
  try {
    const feeds = model.graph!.input.map(({ name }, i) => {
      const { dtype, data, shape } = tensors[i]!;
      return [name, new OrtTensor(dtype, data as Float32Array, shape)] as const;
    });
    const results = await session.run(Object.fromEntries(feeds));
    return model.graph!.output.map(({ name }) =>
      Array.from<number | bigint, number>(results[name]!.data as Float32Array, Number),
    );
  } finally {
    await session.release();
  }
}

async function check(at: string): Promise<readonly [Outcome, string]> {
  const model = decodeModel(new Uint8Array(readFileSync(join(at, 'model.onnx'))));
  const names = model.graph!.node.map(({ domain, opType }) => (domain ? `${domain}.${opType}` : opType));
  const unknown = names.find((op) => !isOperator(op) && op !== 'If');
  if (unknown) return ['operator not claimed', unknown];
  const opset = model.opsetImport.find(({ domain }) => !domain)?.version ?? 0n;
  if (opset > 26n) return ['opset above 26', String(opset)];
  const inputs = messages(at, 'input');
  let tensors: readonly Tensor[];
  let expected: readonly Tensor[];
  try {
    tensors = inputs.map((message) => decodeTensor(message));
    expected = messages(at, 'output').map((message) => decodeTensor(message));
  } catch (error) {
    return ['not of numbers', (error as Error).message];
  }
  const isHalf = inputs.some(({ dataType }) => dataType === 10 || dataType === 16);
  let reason = '';
  // everything fed; then what configures the operator as constants, as it stands in files; then all
  for (const fed of [inputs.length, 1, 0]) {
    let graph: Graph;
    try {
      graph = decode(withConstants(model, inputs, fed)).graph;
    } catch (error) {
      reason = (error as Error).message.split('\n')[0]!;
      if (/have no gradient|in training mode/.test(reason)) {
        return ['in integers or training mode, and said so', reason];
      }
      continue;
    }
    try {
      const feeds = new Map(model.graph!.input.map(({ name }, i) => [name, tensors[i]!]));
      const actual = await run(graph, feeds);
      const right = expected.every(
        (tensor, i) =>
          tensor.data.length === actual[i]!.length &&
          numbersOf(tensor).every((b, j) => isClose(actual[i]![j]!, b, isHalf ? 2e-2 : 1e-3)),
      );
      if (right) return ['passed', ''];
      // ONNX Runtime differs from the specification here and there: what ships is what it computes
      const original = await runFile(at, model, tensors).catch(() => null);
      const alike = original?.every((numbers, i) =>
        numbers.every((b, j) => isClose(actual[i]![j]!, b, isHalf ? 2e-2 : 1e-3)),
      );
      if (alike) return ['as ONNX Runtime and not as the case', ''];
      return ['wrong', `${actual[0]!.slice(0, 4).join()} for ${numbersOf(expected[0]!).slice(0, 4).join()}`];
    } catch (error) {
      reason = (error as Error).message.split('\n')[0]!;
    }
  }
  return ['rejected', reason];
}

if (folder === undefined) {
  console.log('skipped: give the folder that `python scripts/onnx_cases.py FOLDER` wrote');
} else {
  const counts = new Map<Outcome, number>();
  for (const name of (await readdir(folder)).filter((n) => n.includes(only)).toSorted()) {
    const [outcome, why] = await check(join(folder, name));
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    if (verbose && (outcome === 'wrong' || outcome === 'rejected')) console.log(`${outcome} ${name}: ${why}`);
  }
  const claimed = ['passed', 'wrong', 'rejected'].reduce(
    (sum, o) => sum + (counts.get(o as Outcome) ?? 0),
    0,
  );
  console.log(`${counts.get('passed') ?? 0} of ${claimed} cases of operators that are claimed pass`);
  for (const outcome of outcomes) console.log(`${outcome}: ${counts.get(outcome) ?? 0}`);
}
