/**
 * Writes a data set in the binary form of CIFAR-10: MNIST's digits in colour on a textured ground, 32x32, for work on
 * colour images where CIFAR itself is not at hand. With --classifier it also trains the paper's C on it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { lower, bindWeights } from '../src/builder/index.ts';
import { count, threads } from '../src/cli/options.ts';
import { classifierInfer, classifierTrain, onStored } from '../src/models/programs.ts';
import { encodeProgram } from '../src/onnx/index.ts';
import { inMemory, loadDataset, limit, Trainer, type StoredSource } from '../src/runtime/index.ts';
import { stream } from '../src/runtime/random.ts';

const side = 32;
const plane = side * side;

/** One record: the label, then the red, green and blue plane. The same for the same digit and number. */
function record(digit: Uint8Array, label: number, part: string, number: number): Uint8Array {
  const { uniform, below } = stream('colour digits', part, number);
  const [top, left] = [below(5), below(5)];
  const ink = [uniform(), uniform(), uniform()];
  // the ground is far from the ink in every channel
  const ground = ink.map((x) => (x + 0.35 + 0.3 * uniform()) % 1);
  const waves = Array.from({ length: 2 }, () => ({
    across: 0.2 + 0.6 * uniform(),
    down: 0.2 + 0.6 * uniform(),
    phase: 2 * Math.PI * uniform(),
  }));
  const bytes = new Uint8Array(1 + 3 * plane);
  bytes[0] = label;
  for (let at = 0; at < plane; at++) {
    const [y, x] = [Math.floor(at / side), at % side];
    const [row, column] = [y - top, x - left];
    const inside = row >= 0 && row < 28 && column >= 0 && column < 28;
    const covers = inside ? digit[28 * row + column]! / 255 : 0;
    const texture = waves.reduce(
      (sum, { across, down, phase }) => sum + Math.sin(across * x + down * y + phase),
      0,
    );
    for (let channel = 0; channel < 3; channel++) {
      const behind = ground[channel]! + 0.06 * texture + 0.04 * (uniform() - 0.5);
      const value = covers * ink[channel]! + (1 - covers) * behind;
      bytes[1 + channel * plane + at] = Math.round(255 * Math.min(1, Math.max(0, value)));
    }
  }
  return bytes;
}

/** The first digits of a part as records, one after another. */
function records(
  { stored: { images, labels } }: StoredSource,
  part: string,
  from: number,
  to: number,
): Buffer {
  const some: Uint8Array[] = [];
  for (let i = from; i < to; i++) {
    some.push(record(images.subarray(784 * i, 784 * (i + 1)), labels[i]!, part, i));
  }
  return Buffer.concat(some);
}

/** Trains the paper's C on a data set, and gives it as a file. */
async function classifierOf(data: string, epochs: number, session: { readonly threads: number }) {
  const { train } = await loadDataset(data);
  const config = { device: 'cpu', ...session, seed: 1, batchSize: 50 } as const;
  const sizes = { image: train.shape, classes: train.classes.length };
  const step = classifierTrain({ batchSize: config.batchSize, learningRate: 1e-3, sizes });
  const program = onStored({ ...step, graph: lower(step.graph, 'cpu') });
  const trainer = new Trainer<'c1'>({
    config,
    split: await inMemory(train),
    states: new Map(),
    running: {},
    runTime: 1400,
  });
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const work = trainer.epoch({
      networks: ['c1'],
      program: { bytes: encodeProgram(program), metadata: program.metadata },
      metrics: { c1: { loss: 'loss', accuracy: 'accuracy' } },
      epoch,
      epochs,
      order: epoch,
    });
    for await (const _ of work);
    console.error(`epoch ${epoch}/${epochs}`, trainer.closeEpoch().c1);
  }
  const { graph, metadata } = bindWeights(classifierInfer('paper', sizes), trainer.states.get('c1')!);
  return encodeProgram({ graph: lower(graph, 'plain'), metadata });
}

const command = new Command('colour-digits')
  .argument('<folder>', 'where the data set goes')
  .option('--train <n>', 'images to train on, a multiple of 5', count, 10_000)
  .option('--test <n>', 'images to measure with', count, 1000)
  .option('--classifier <file>', 'also train a classifier, and write it there')
  .option('--epochs <n>', 'epochs of the classifier', count, 3)
  .option('--threads <n>', 'threads of the CPU', threads, 2)
  .parse();
const [folder] = command.processedArgs;
const { train: wanted, test, classifier, epochs, ...session } = command.opts();

const digits = await loadDataset('mnist');
await mkdir(folder, { recursive: true });
const train = await inMemory(limit(digits.train, wanted));
const part = Math.floor(wanted / 5);
for (let batch = 0; batch < 5; batch++) {
  const bytes = records(train, 'train', batch * part, (batch + 1) * part);
  await writeFile(join(folder, `data_batch_${batch + 1}.bin`), bytes);
}
await writeFile(
  join(folder, 'test_batch.bin'),
  records(await inMemory(limit(digits.test, test)), 'test', 0, test),
);
const names = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
await writeFile(join(folder, 'batches.meta.txt'), `${names.join('\n')}\n`);
if (classifier !== undefined) await writeFile(classifier, await classifierOf(folder, epochs, session));
