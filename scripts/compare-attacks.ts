// Attacks one of our classifiers here, in PyTorch and by Foolbox, from the same weights, images and starts, and compares.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { z } from 'zod';
import { topologicalOrder } from '../src/builder/index.ts';
import { decode } from '../src/onnx/index.ts';
import { count, eps as epsOf, listOf } from '../src/cli/options.ts';
import { classifierGradientModel } from '../src/models/classifier/gradient.ts';
import { drawsOf } from '../src/runtime/attacks/index.ts';
import { batchAt } from '../src/runtime/data/source.ts';
import { attackWith } from '../src/runtime/experiment/attacked.ts';
import { openOracle } from '../src/runtime/audit/oracle.ts';
import {
  encodeSafetensors,
  limit,
  loadDigits,
  type AttackName,
  type AttackSettings,
  type StoredSource,
  type Tensor,
} from '../src/runtime/index.ts';
import { float32, prefixed } from '../src/runtime/tensor.ts';
import { runPython } from './python.ts';

/** How far accuracies may part: pixels whose gradient is rounding go either way, and a few images with them. */
const tolerance = 0.01;

const Mask = z.array(z.int());
const Answer = z.array(z.strictObject({ side: z.string(), clean: Mask, fgsm: Mask, pgd: Mask })).min(2);

const command = new Command('compare-attacks')
  .description(
    'Compares FGSM and PGD with PyTorch, and Foolbox if it is there, on a classifier of a run; exits with 1 on a difference.',
  )
  .argument('<model>', "classifier-c1.onnx of a run, of the paper's architecture")
  .option('--python <path>', 'an interpreter that has torch and numpy, and perhaps foolbox', 'python3')
  .option('--images <n>', 'first test images of MNIST', count, 1000)
  .option('--eps <list>', 'largest changes of a pixel', listOf(epsOf), [0.08, 0.16, 0.3])
  .option('--steps <n>', 'steps of PGD', count, 40)
  .parse();

/** The weights of a model, under the names that they were trained with. */
function weightsOf(model: Uint8Array): ReadonlyMap<string, Tensor> {
  const nodes = topologicalOrder(Object.values(decode(model).graph.outputs));
  return new Map(
    nodes.flatMap(({ inputs }) =>
      inputs.flatMap((x) =>
        x?.source.kind === 'constant' && x.source.name?.startsWith('classifier/')
          ? [[x.source.name, x.source.tensor as Tensor] as const]
          : [],
      ),
    ),
  );
}

/** Which images are right under each attack, here. */
async function here(
  model: Uint8Array,
  split: StoredSource,
  eps: number,
  settings: readonly AttackSettings[],
) {
  const known = await openOracle(
    {
      classifier: model,
      image: split.shape,
      classes: split.classes.length,
      gradient: (loss) => classifierGradientModel(model, 'cpu', loss),
    },
    { device: 'cpu', threads: 2 },
  );
  try {
    const right = async (name: AttackName | null): Promise<number[]> => {
      const own = settings.find(({ attack }) => attack === name) ?? null;
      const work = attackWith(split, { known, judges: { known } }, { eps, clip: true }, own);
      let next = await work.next();
      while (!next.done) next = await work.next();
      return [...next.value.known.right];
    };
    return { clean: await right(null), fgsm: await right('fgsm'), pgd: await right('pgd') };
  } finally {
    await known.close();
  }
}

const accuracy = (mask: readonly number[]): number => mask.reduce((a, b) => a + b, 0) / mask.length;
const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

async function main(): Promise<void> {
  const { python, images, eps: grid, steps } = command.opts();
  const model = new Uint8Array(await readFile(command.processedArgs[0]));
  const split = limit((await loadDigits('mnist')).test, images);
  const pgd = { steps, stepSize: 2.5 / steps, restarts: 1, seed: 1 };
  const settings: readonly AttackSettings[] = [
    { attack: 'fgsm', loss: 'cross-entropy', steps: 1, stepSize: 1 },
    { attack: 'pgd', loss: 'cross-entropy', start: 'uniform', ...pgd },
  ];
  const all = batchAt(
    split,
    Array.from({ length: images }, (_, i) => i),
  );
  const start = new Float32Array(all.image.data.length);
  const uniform = drawsOf(pgd.seed, 'pgd').at([0], 0, start.length);
  start.forEach((_, at) => (start[at] = 2 * uniform() - 1));
  const given = new Map([
    ...prefixed('weights/', weightsOf(model)),
    ['image', all.image],
    ['label', all.label],
    ['start', float32(all.image.shape, start)],
  ]);
  const rows: (string | number)[][] = [];
  let names: readonly string[] = [];
  let passed = true;
  const folder = await mkdtemp(join(tmpdir(), 'compare-attacks-'));
  try {
    for (const eps of grid) {
      console.error(`eps ${eps} ...`);
      const file = join(folder, 'case.safetensors');
      const options = { eps: `${eps}`, steps: `${steps}`, stepSize: `${pgd.stepSize}` };
      await writeFile(file, encodeSafetensors(given, options));
      const others = Answer.parse(await runPython(python, 'compare_attacks.py', [file]));
      const ours = await here(model, split, eps, settings);
      names = others.map(({ side }) => side);
      for (const name of ['clean', 'fgsm', 'pgd'] as const) {
        const own = ours[name];
        const sides = others.map((other) => ({
          mask: other[name],
          differ: own.filter((right, i) => right !== other[name][i]).length,
          // float32 parts from float64 there too; it is shown, and not what we are held to
          pass: other.side === 'torch32' || Math.abs(accuracy(own) - accuracy(other[name])) <= tolerance,
        }));
        const pass = sides.every((side) => side.pass);
        passed &&= pass;
        const theirs = sides.map(({ mask, differ }) => `${percent(accuracy(mask))}, ${differ}`);
        rows.push([eps, name, percent(accuracy(own)), ...theirs, pass ? 'PASS' : 'FAIL']);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  const table = new Table({
    head: ['eps', 'attack', 'ours', ...names, ''],
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  console.log(
    `accuracy left on ${images} images, PGD with ${steps} steps; beside the others' how many images come out differently\n${table.toString()}`,
  );
  process.exitCode = passed ? 0 : 1;
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
