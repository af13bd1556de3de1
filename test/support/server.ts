import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { bind, constant, lower, type Program } from '../../src/builder/index.ts';
import { encodeProgram } from '../../src/onnx/index.ts';
import { attackerInfer, classifierInfer } from '../../src/models/programs.ts';
import { environment } from '../../src/cli/version.ts';
import { cellName, type CellResult, type Result, type RunConfig } from '../../src/runtime/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { encodePng } from '../../src/server/png.ts';
import type { AttackAnswer } from '../../src/server/schemas.ts';
import { float32 } from '../../src/runtime/tensor.ts';
import { smallRun } from './configs.ts';
import { examples } from './idx.ts';

/** What workers need to read TypeScript, in a process that does not run under tsx itself. */
export const execArgv = ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href];

/** A model with drawn weights: not trained, but of the real shape. */
function drawn({ graph, metadata }: Program, seed: number): Uint8Array {
  const weights = metadata.frozen.map(({ name, shape }) => {
    const random = stream(seed, name);
    const dims = shape.map(Number);
    const size = dims.reduce((a, b) => a * b, 1);
    const spread = dims.length > 1 ? 2 * Math.sqrt((6 * dims.at(-1)!) / size) : 0;
    const centre = dims.length === 1 && /weight|running_var/.test(name) ? 1 : 0;
    const data = new Float32Array(size);
    for (let i = 0; i < size; i++) data[i] = centre + spread * (random.uniform() - 0.5);
    return [name, constant(float32(dims, data), name)] as const;
  });
  return encodeProgram({
    graph: lower(bind(graph, new Map(weights)), 'plain'),
    metadata: { ...metadata, frozen: [] },
  });
}

/** A run folder with these cells, as `sparring train` leaves one, of models that were never trained. */
export async function untrainedRun(
  folder: string,
  cells: readonly { readonly eps: number; readonly clip: boolean }[],
): Promise<void> {
  const scores = { accuracy: 0.1, loss: 2.3 };
  const both = { clean: scores, noise: scores, attacked: scores };
  const runs: CellResult[] = [];
  for (const [i, { eps, clip }] of cells.entries()) {
    const name = cellName({ mode: 'consecutive', eps, seed: 1 });
    await mkdir(join(folder, name), { recursive: true });
    const save = async (file: string, bytes: Uint8Array): Promise<string> => {
      await writeFile(join(folder, name, file), bytes);
      return createHash('sha256').update(bytes).digest('hex');
    };
    runs.push({
      mode: 'consecutive',
      eps,
      bound: 'tanh',
      clip,
      seed: 1,
      folder: name,
      models: {
        c1: await save('classifier-c1.onnx', drawn(classifierInfer(), 10 + i)),
        c2: await save('classifier-c2.onnx', drawn(classifierInfer(), 20 + i)),
        attacker: await save('attacker.onnx', drawn(attackerInfer({ eps, bound: 'tanh', clip }), 30 + i)),
      },
      epochs: [],
      final: { c1: both, c2: both },
    });
  }
  const config: RunConfig = { ...smallRun, eps: cells.map(({ eps }) => eps), batchSize: 100 };
  const result: Result = {
    schema: 1,
    config,
    environment: { ...(await environment(config)), seconds: 0 },
    runs,
  };
  await writeFile(join(folder, 'result.json'), JSON.stringify(result));
}

/** What the servers of the tests have in common, as values or with sockets: no page, no token, no log. */
export const plainApp = {
  origins: [],
  demo: null,
  docsScript: null,
  log: pino({ level: 'silent' }),
  version: '1.2.3',
} as const;

/** What those with sockets have in common: a free port of this machine, and patience. */
export const plainServer = {
  ...plainApp,
  workers: 1,
  threads: 1,
  openCells: 1,
  execArgv,
  batch: 16,
  queue: 64,
  timeout: 120_000,
  requestTimeout: 120_000,
  host: '127.0.0.1',
  port: 0,
  drainDelay: 0,
  drainTimeout: 30_000,
} as const;

/** The images of the runs that the tests make. */
export const digitShape = { channels: 1, height: 28, width: 28 } as const;

/** An image of such a run as a PNG. */
export const digitPng = (image: Float32Array): Uint8Array => encodePng(image, digitShape);

/** The answer of `POST /attack` to images of one channel: rows of pixels. */
export interface GreyAnswer extends Omit<AttackAnswer, 'results'> {
  readonly results: readonly (Omit<AttackAnswer['results'][number], 'perturbation' | 'attacked'> &
    Readonly<Record<'perturbation' | 'attacked', number[][]>>)[];
}

/** The first `n` examples as pixels in 0..1. */
export function digits(n: number): Float32Array {
  return Float32Array.from(examples(n).images, (pixel) => pixel / 255);
}

/** Images as JSON has them. */
export const nested = (images: Float32Array): number[][][] =>
  Array.from({ length: images.length / 784 }, (_, i) =>
    Array.from({ length: 28 }, (_, row) =>
      Array.from(images.subarray(784 * i + 28 * row, 784 * i + 28 * row + 28)),
    ),
  );
