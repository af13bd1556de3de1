// Trains the paper's networks here and in PyTorch, from the same weights on the same images, and compares.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { z } from 'zod';
import { inputName, lower, type Target } from '../src/builder/index.ts';
import { encode } from '../src/onnx/index.ts';
import { encodeSafetensors } from '../src/runtime/safetensors.ts';
import { openModel, openTraining } from '../src/runtime/session.ts';
import { elements, float32, prefixed, type Tensor, type Tensors } from '../src/runtime/tensor.ts';
import { cases, dataSet, type Case } from './compare-cases.ts';
import { emit } from './emit.ts';
import { runPython } from './python.ts';

const targets = ['plain', 'cpu'] as const satisfies readonly Target[];
const session = { device: 'cpu', threads: 2 } as const;

/**
 * The largest error that is rounding, whatever PyTorch's own: a float32 sum over the widest kernel's 12,800 products is
 * off by about sqrt(12800) * 2^-24 = 7e-6, and the way through the attacker, the classifier and back has some twenty of
 * them.
 */
const rounding = 1e-4;
/** How much farther from float64 than PyTorch's float32 we may be. */
const margin = 10;
/** No step of Adam is longer than (1 - beta1) / sqrt(1 - beta2) learning rates (Kingma & Ba 2015, section 2.1). */
const longestStep = 0.1 / Math.sqrt(0.001);

/** What is compared, in the order shown. */
const quantities = {
  gradient: 'first step: gradient',
  'zero gradient': 'first step: gradient (2)',
  'step loss': 'last step: loss',
  'step parameters': 'last step: parameter',
  'step statistics': 'last step: running statistic',
  'run loss': 'all steps: loss (1)',
  'run parameters': 'all steps: parameters (1)',
  'run statistics': 'all steps: running statistics (1)',
  drift: 'all steps: rates gone (2)',
} as const;
type Quantity = keyof typeof quantities;

const notes = `Errors are norms of the difference to PyTorch in float64, over the norm of the true gradient or loss, or of the way that
parameters and running statistics went. First step: from the same weights. Last step: from our state before it, Adam's
moments included. All steps: everyone alone from the same weights; all tensors of a kind together. "torch32" is PyTorch
in float32. "of bound" is the worst tensor's error over its bound: ${margin} times torch32's on the same tensor, or ${rounding},
whichever is larger.
(1) Adam makes steps of one size from gradients of any size, so an element whose gradient is rounding goes either way, and
    the runs part, in PyTorch as here. For torch32 the run is repeated with the images of each batch in other orders,
    which changes nothing but rounding, and the error is that of the farthest.
(2) Biases of convolutions in front of a batch norm, which are in no other line. The batch mean takes them out again, so
    their gradient is zero, and what is computed is rounding: it is given over the sum of what it cancels from. Float32
    makes whole steps of Adam of it, so no two implementations agree on these tensors, nor does training depend on them
    but for the running mean behind, which takes them in. Their bound is ${longestStep.toFixed(2)} rates a step.`;

const Records = z.array(
  z.strictObject({
    who: z.enum(targets),
    quantity: z.enum(Object.keys(quantities) as [Quantity, ...Quantity[]]),
    tensor: z.string(),
    ours: z.number(),
    torch32: z.number(),
  }),
);
type Records = readonly Readonly<z.infer<typeof Records>[number]>[];

/** One of the tensors that lie behind each other along the first dimension. */
function slice({ dtype, shape: [, ...shape], data }: Tensor, index: number): Tensor {
  const length = elements(shape);
  return { dtype, shape, data: data.subarray(index * length, (index + 1) * length) as Tensor['data'] };
}

/** Trains a case here: its gradients, the loss of each step, the state before the last step and after it. */
async function trainHere(
  { program, gradients, state, frozen }: Case,
  data: Tensors,
  target: Target,
): Promise<Tensors> {
  const steps = data.get('image')!.shape[0]!;
  const batch = (step: number) => [...data].map(([name, tensor]) => [name, slice(tensor, step)] as const);
  const given = new Map([...state, ...frozen, ...batch(0)]);
  const model = await openModel(encode(lower(gradients, target)), session);
  const names = gradients.inputs.map(inputName);
  const first = await model.run(Object.fromEntries(names.map((name) => [name, given.get(name)!])));
  await model.close();

  const file = { bytes: emit(program, target), metadata: program.metadata };
  const training = await openTraining(file, state, frozen, session);
  const losses = new Float32Array(steps);
  let before = state;
  for (let step = 0; step < steps; step++) {
    if (step === steps - 1) before = await training.state();
    losses[step] = (await training.step(Object.fromEntries(batch(step))))['loss']!;
  }
  const after = await training.state();
  await training.close();
  return new Map([
    ...Object.entries(first),
    ['loss', float32([steps], losses)],
    ...prefixed('before/', before),
    ...prefixed('state/', after),
  ]);
}

/** Trains a case here for every target and in PyTorch, and gives the distances to PyTorch in float64. */
async function compare(trained: Case, data: Tensors, python: string): Promise<Records> {
  const folder = await mkdtemp(join(tmpdir(), 'compare-pytorch-'));
  try {
    const { network, program, state, frozen } = trained;
    const options = Object.entries({ ...program.metadata.options, network });
    const metadata = Object.fromEntries(options.map(([name, value]) => [name, String(value)]));
    const given = new Map([...prefixed('start/', state), ...prefixed('frozen/', frozen), ...data]);
    const files = [join(folder, 'case.safetensors')];
    await writeFile(files[0]!, encodeSafetensors(given, metadata));
    for (const target of targets) {
      const path = join(folder, `${target}.safetensors`);
      await writeFile(path, encodeSafetensors(await trainHere(trained, data, target), {}));
      files.push(path);
    }
    return Records.parse(await runPython(python, 'compare_pytorch.py', files));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A line of the table, and whether it holds; null when the network has nothing of the kind. */
function judge(records: Records, who: Target, quantity: Quantity, steps: number) {
  const lines = records
    .filter((r) => r.who === who && r.quantity === quantity)
    .map((r) => ({
      ...r,
      ofBound: r.ours / (quantity === 'drift' ? longestStep * steps : Math.max(margin * r.torch32, rounding)),
    }));
  const [largest] = lines.toSorted((a, b) => b.ours - a.ours);
  if (!largest) return null;
  const worst = Math.max(...lines.map(({ ofBound }) => ofBound));
  const pass = worst <= 1;
  const cells = [
    quantities[quantity],
    largest.ours.toExponential(1),
    largest.torch32.toExponential(1),
    largest.tensor.replace(/^(classifier|attacker)\//, ''),
    `${(100 * worst).toPrecision(2)} %`,
    pass ? 'PASS' : 'FAIL',
  ];
  return { pass, cells };
}

function positive(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1)
    throw new InvalidArgumentError('It must be a whole number of 1 or more.');
  return n;
}

const { python, steps, batch } = new Command('compare-pytorch')
  .description(
    'Compares gradients and Adam steps of both networks with PyTorch; exits with 1 on a difference.',
  )
  .option('--python <path>', 'an interpreter that has torch and numpy', 'python3')
  .option('--steps <n>', 'steps of Adam', positive, 10)
  .option('--batch <n>', 'images a step', positive, 16)
  .parse()
  .opts();

async function main(): Promise<void> {
  const data = dataSet(steps, batch);
  const table = new Table({
    head: ['network', 'target', 'quantity', 'ours', 'torch32', 'worst tensor', 'of bound', ''],
    style: { head: [], border: [], compact: true },
  });
  let passed = true;
  for (const trained of cases(batch)) {
    console.error(`${trained.title} ...`);
    const records = await compare(trained, data, python);
    for (const target of targets) {
      for (const quantity of Object.keys(quantities) as Quantity[]) {
        const line = judge(records, target, quantity, steps);
        if (line) table.push([trained.title, target, ...line.cells]);
        passed &&= line?.pass ?? true;
      }
    }
  }
  console.log(`${steps} steps of Adam, batch ${batch}\n${table.toString()}\n${notes}`);
  process.exitCode = passed ? 0 : 1;
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
