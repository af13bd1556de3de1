import Table from 'cli-table3';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lower } from '../src/builder/index.ts';
import { encodeProgram } from '../src/onnx/index.ts';
import { initialState, stream, type Device, type Tensor } from '../src/runtime/index.ts';
import { executionProvider, InferenceSession, OrtTensor } from '../src/runtime/ort.ts';
import { givenOf, trainingPrograms, type StepName } from './ours.ts';

const warmUp = 3;
const steps = 5;

/** Nodes of one operator and the same shapes, in a step. */
interface NodeCost {
  readonly op: string;
  readonly shapes: string;
  readonly nodes: number;
  readonly milliseconds: number;
}

/** Prints where a training step's time goes, by operator and by its shapes, from ONNX Runtime's trace: the costliest of both. */
export async function profile(options: {
  readonly threads: number;
  readonly device: Device;
  readonly only?: string | undefined;
  readonly batch?: number | undefined;
}): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sparring-profile-'));
  try {
    const events = await traced(folder, options);
    const runs = events.filter(({ name }) => name === 'model_run').toSorted((a, b) => a.ts - b.ts);
    const begin = runs[warmUp]!.ts;
    const nodes = events.filter(
      ({ cat, name, ts }) => cat === 'Node' && name.endsWith('_kernel_time') && ts >= begin,
    );
    const byKind = new Map<string, NodeCost>();
    for (const { dur, args } of nodes) {
      const op = args.op_name ?? '?';
      const shapes = `${shapesOf(args.input_type_shape)} -> ${shapesOf(args.output_type_shape)}`;
      const before = byKind.get(op + shapes) ?? { nodes: 0, milliseconds: 0 };
      byKind.set(op + shapes, {
        op,
        shapes,
        nodes: before.nodes + 1 / steps,
        milliseconds: before.milliseconds + dur / 1000 / steps,
      });
    }
    const costs = [...byKind.values()].toSorted((a, b) => b.milliseconds - a.milliseconds);
    const total = costs.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const whole = runs.slice(warmUp).reduce((sum, { dur }) => sum + dur / 1000 / steps, 0);
    console.log(operators(costs, total).toString());
    console.log(kinds(costs.slice(0, 40), total).toString());
    console.log(
      `one step: ${whole.toFixed(1)} ms, of which kernels ${total.toFixed(1)} ms; mean of ${steps} steps`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly args: {
    readonly op_name?: string;
    readonly input_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

/** ONNX Runtime's trace of some steps, each written into tensors that stand ready as in training. */
async function traced(
  folder: string,
  { threads, device, only = 'a-step', batch = 100 }: Parameters<typeof profile>[0],
): Promise<readonly TraceEvent[]> {
  const programs = trainingPrograms(batch);
  const step = (Object.keys(programs) as StepName[]).find((name) => name.startsWith(only));
  if (!step) throw new Error(`--profile shows ${Object.keys(programs).join(', ')}, got --only ${only}`);
  const program = programs[step];
  const { metadata } = program;
  const session = await InferenceSession.create(
    encodeProgram({ ...program, graph: lower(program.graph, device) }),
    {
      ...executionProvider(device),
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableProfiling: true,
      profileFilePrefix: join(folder, 'trace'),
    },
  );
  const tensorOf = ({ dtype, shape, data }: Tensor): OrtTensor =>
    new OrtTensor(dtype, data.slice() as Float32Array, shape);
  const state = initialState(metadata, ['bench', 'own']);
  const weights = initialState(programs['c-step'].metadata, ['bench', 'c']);
  const feeds: Record<string, OrtTensor> = {
    // no two steps of a pool alike: its time depends on how well a processor guesses which pixel is the largest
    image: new OrtTensor(
      'float32',
      Float32Array.from({ length: batch * 784 }, () => Math.random()),
      [batch, 1, 28, 28],
    ),
    label: new OrtTensor(
      'int32',
      Int32Array.from({ length: batch }, (_, i) => i % 10),
      [batch],
    ),
  };
  for (const [name, tensor] of Object.entries(givenOf(program, stream('bench', batch))))
    feeds[name] = tensorOf(tensor);
  for (const { name } of metadata.frozen) feeds[name] = tensorOf(weights.get(name)!);
  for (const { name } of metadata.state) feeds[name] = tensorOf(state.get(name)!);
  const fetches: Record<string, OrtTensor | null> = {};
  for (const name of metadata.metrics) fetches[name] = null;
  for (const { name, output } of metadata.state) fetches[output] = tensorOf(state.get(name)!);
  for (let i = 0; i < warmUp + steps; i++) await session.run(feeds, fetches);
  session.endProfiling();
  await session.release();
  const [file] = await readdir(folder);
  return JSON.parse(await readFile(join(folder, file!), 'utf8')) as readonly TraceEvent[];
}

const shapesOf = (types: TraceEvent['args']['input_type_shape']): string =>
  (types ?? []).map((type) => `[${Object.values(type)[0]?.join() ?? ''}]`).join(' ');

const percent = (part: number, total: number): string => `${((100 * part) / total).toFixed(1)} %`;

function operators(costs: readonly NodeCost[], total: number): Table.Table {
  const table = new Table({
    head: ['operator', 'nodes', 'ms a step', 'share'],
    style: { head: [], border: [] },
  });
  const sums = [...new Set(costs.map(({ op }) => op))].map((op) => {
    const of = costs.filter((cost) => cost.op === op);
    return {
      op,
      nodes: of.reduce((sum, { nodes }) => sum + nodes, 0),
      milliseconds: of.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
    };
  });
  for (const { op, nodes, milliseconds } of sums
    .toSorted((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, 15))
    table.push([op, nodes, milliseconds.toFixed(2), percent(milliseconds, total)]);
  return table;
}

function kinds(costs: readonly NodeCost[], total: number): Table.Table {
  const table = new Table({
    head: ['operator', 'shapes', 'nodes', 'ms a step', 'share'],
    style: { head: [], border: [] },
  });
  for (const { op, shapes, nodes, milliseconds } of costs)
    table.push([op, shapes, nodes, milliseconds.toFixed(2), percent(milliseconds, total)]);
  return table;
}
