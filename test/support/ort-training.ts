import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { lower, trainStep, type Program, type Target, type TrainStep } from '../../src/builder/index.ts';
import { encode, encodeProgram } from '../../src/onnx/index.ts';
import * as ortTraining from '../../src/ort-training/index.ts';
import { artifactsFor, type Artifacts } from '../../src/cli/experiment/ort-training.ts';
import { attackerEval, attackerStep, classifierEval, classifierStep } from '../../src/models/programs.ts';
import { batchAt } from '../../src/runtime/data/source.ts';
import {
  initialState,
  openModel,
  openTraining,
  type StoredSource,
  type Tensors,
} from '../../src/runtime/index.ts';
import type { Trained } from '../browser/ort-training/page.ts';
import { trainingModelInKernels } from './ort-networks.ts';

const dist = dirname(createRequire(import.meta.url).resolve('onnxruntime-web-training'));

const library = 'ort.training.wasm.min.mjs';
const others = ['ort-training-wasm-simd-threaded.mjs', 'ort-training-wasm-simd-threaded.wasm'];

/** onnxruntime-web 1.19.2's training build, as files that a page can fetch. */
export const trainingBuild = (): Map<string, Uint8Array> =>
  new Map([
    [library, mended(readFileSync(join(dist, library), 'utf8'))],
    ...others.map((name) => [name, readFileSync(join(dist, name))] as const),
  ]);

/**
 * The library without one defect: getContiguousParameters ends by freeing an address on the stack as if it were on the
 * heap, which now and then is an access out of bounds.
 */
function mended(text: string): Uint8Array {
  const [before, after, ...more] = text.split('n._free(u),n._free(l),n.stackRestore(o)');
  if (after === undefined || more.length > 0)
    throw new Error(`${library} is not that of onnxruntime-web 1.19.2`);
  return Buffer.from(`${before}n._free(u),n.stackRestore(o)${after}`);
}

const learningRate = 1e-3;
const threat = { eps: 0.16, bound: 'tanh', clip: true } as const;

/** What is trained, and from where. */
export interface Subject {
  readonly step: TrainStep;
  readonly evaluation: Program;
  /** State of the training program: the network's, and Adam's. */
  readonly state: Tensors;
  readonly frozen: Tensors;
}

export type Name = 'classifier' | 'attacker';

/** C after ten steps in plain forms, so that it is the same whatever the forms, with Adam's moments, and A from its first weights against a C that has been trained a little. */
export async function subjects(
  split: StoredSource,
  batchSize: number,
): Promise<Readonly<Record<Name, Subject>>> {
  const start = (step: TrainStep, evaluation: Program, network: string, frozen: Tensors): Subject => {
    const state = initialState(trainStep(step).metadata, [1, network]);
    return { step, evaluation, state, frozen };
  };
  const c = (size: number) => classifierStep({ batchSize: size, learningRate });
  const a = attackerStep({ batchSize, learningRate, ...threat });
  const target = await inNode(start(c(40), classifierEval(), 'c1', new Map()), split, 100);
  const begun = start(c(batchSize), classifierEval(), 'c1', new Map());
  return {
    classifier: { ...begun, state: (await inNode(begun, split, 10, 'plain')).state },
    attacker: start(a, attackerEval(threat), 'attacker', target.state),
  };
}

/** What training gave: the loss of each step, the loss on the first batch afterwards, and the state. */
export interface Reached {
  readonly losses: readonly number[];
  readonly evalLoss: number;
  readonly state: Tensors;
}

const onCpu = { device: 'cpu', threads: 1 } as const;

/** Our engine in Node, on the first images of a split, with the program lowered for `target`. */
export async function inNode(
  { step, evaluation, state, frozen }: Subject,
  split: StoredSource,
  steps: number,
  target: Target = 'cpu',
): Promise<Reached> {
  const program = trainStep(step);
  const bytes = encodeProgram({ ...program, graph: lower(program.graph, target) });
  const training = await openTraining({ bytes, metadata: program.metadata }, state, frozen, onCpu);
  const batch = (i: number) => {
    const size = program.metadata.data[0]!.shape[0] as number;
    return batchAt(
      split,
      Array.from({ length: size }, (_, j) => i * size + j),
    );
  };
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push((await training.step({ ...batch(i) }))['loss']!);
  const after = await training.state();
  await training.close();

  const model = await openModel(encode(lower(evaluation.graph, target)), onCpu);
  const weights = evaluation.metadata.frozen.map(
    ({ name }) => [name, after.get(name) ?? frozen.get(name)!] as const,
  );
  const evaluated = await model.run({ ...batch(0), ...Object.fromEntries(weights) });
  await model.close();
  return { losses, evalLoss: Number(evaluated['loss']!.data[0]), state: after };
}

/** Whose backward pass trains: the exported model's, or one of ONNX Runtime's own gradient kernels. */
export type Backward = 'exported' | 'kernels';

/** onnxruntime's TrainingSession in the page, on the same images; its tensors beside `expected`, where that is given. */
export async function inPage(
  page: Page,
  files: Map<string, Uint8Array>,
  { step, evaluation, state, frozen }: Subject,
  split: StoredSource,
  {
    steps,
    backward,
    expected,
  }: { readonly steps: number; readonly backward: Backward; readonly expected?: Tensors },
): Promise<Trained> {
  // each session in a WASM memory of its own
  await page.reload();
  await page.waitForFunction(() => 'ortTraining' in window);
  const artifacts = artifactsFor({ step, evaluation, learningRate, state, frozen });
  const training = backward === 'exported' ? artifacts.training : trainingModelInKernels(step, threat.eps);
  for (const [name, file] of Object.entries(ortTraining.files)) {
    files.set(`artifacts/${file}`, { ...artifacts, training }[name as keyof Artifacts]);
  }
  const batchSize = step.data[0]!.shape[0] as number;
  const { image, label } = batchAt(
    split,
    Array.from({ length: batchSize * steps }, (_, i) => i),
  );
  files.set('images.bin', bytesOf([image!.data]));
  files.set('labels.bin', bytesOf([label!.data]));
  const own = [...step.parameters.trainable, ...step.parameters.buffers];
  const target = (step.frozen ?? []).flatMap((network) => [...network.trainable, ...network.buffers]);
  const tensors = expected
    ? [
        ...own.map(({ name }) => [name, expected.get(name)!.data] as const),
        ...target.map(({ name }) => [name, frozen.get(name)!.data] as const),
      ]
    : [];
  files.set('expected.bin', bytesOf(tensors.map(([, data]) => data)));
  return await page.evaluate((job) => window.ortTraining.train(job), {
    folder: 'artifacts',
    batchSize,
    steps,
    layout: tensors.map(([name, data]) => [name, data.length] as const),
    expected: '/expected.bin',
  });
}

const bytesOf = (arrays: readonly ArrayBufferView[]): Uint8Array =>
  Buffer.concat(
    arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
  );

/** How two states differ in each tensor: the Euclidean length of the difference. */
export const distances = (a: Tensors, b: Tensors): ReadonlyMap<string, number> =>
  new Map(
    [...a].map(([name, { data }]) => {
      const other = b.get(name)!.data;
      let squares = 0;
      for (let i = 0; i < data.length; i++) squares += (Number(data[i]) - Number(other[i])) ** 2;
      return [name, Math.sqrt(squares)];
    }),
  );
