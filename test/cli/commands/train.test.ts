import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import onnxProto from 'onnx-proto';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadDigits, stream } from '../../../src/runtime/index.ts';
import { sparring, start, type Command, type Finished } from '../../support/cli.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;

let cwd: string;
const counts = { train: 56, test: 40 };
const cell = 'consecutive-eps0.3-seed5';
const classifiers = 'classifiers-seed5/checkpoint/state.safetensors';
const newRun = (out: string, ...more: readonly string[]): string[] => [
  ...'train --data data --device cpu --threads 1 --eps 0.3 --seed 5 --batch-size 8'.split(' '),
  ...`--train-limit ${counts.train} --test-limit ${counts.test}`.split(' '),
  ...`--classifier-epochs 2 --attacker-epochs 2 --out ${out}`.split(' '),
  ...more,
];

/** The run that nothing disturbs: what all others are compared with. */
let whole: Finished;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-cli-'));
  await writeIdxFolder(join(cwd, 'data'), { train: examples(60), test: examples(50) });
  whole = await sparring(newRun('runs/whole', '--json'), { cwd });
}, patience);
afterAll(async () => {
  await rm(cwd, { recursive: true });
});

const inRun = (run: string, ...path: readonly string[]): string => join(cwd, run, ...path);
const json = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));
const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

const files = ['config.json', 'metrics.jsonl', 'report.html', 'result.json'];
const cellFiles = [
  'attacker.onnx',
  'checkpoint/state.safetensors',
  'classifier-c1.onnx',
  'classifier-c2.onnx',
  'confusion.json',
  'samples.png',
];

async function filesOf(run: string): Promise<string[]> {
  const entries = await readdir(inRun(run), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(inRun(run).length + 1))
    .sort();
}

/** The contract of `result.json`; nothing else may be in scores, epochs and the top level. */
const Scores = z.strictObject({ accuracy: z.number().min(0).max(1), loss: z.number().nonnegative() });
const Unattacked = z.strictObject({ clean: Scores, noise: Scores });
const Attacked = z.strictObject({ clean: Scores, noise: Scores, attacked: Scores });
const Epoch = z.discriminatedUnion('phase', [
  z.strictObject({
    phase: z.literal('classifier'),
    epoch: z.int().positive(),
    train: z.strictObject({ c1: Scores, c2: Scores }),
    c1: Unattacked,
    c2: Unattacked,
  }),
  z.strictObject({
    phase: z.literal('attacker'),
    epoch: z.int().positive(),
    train: z.strictObject({ attacker: Scores }),
    c1: Attacked,
    c2: Attacked,
  }),
]);
const Result = z.strictObject({
  schema: z.literal(1),
  config: z.looseObject({ schema: z.literal(1) }),
  environment: z.looseObject({
    device: z.literal('cpu'),
    onnxruntime: z.string().regex(/^\d+\.\d+\.\d+/),
    node: z.literal(process.versions.node),
    commit: z.string().nullable(),
    seconds: z.number().positive(),
  }),
  runs: z.tuple([
    z.looseObject({
      mode: z.literal('consecutive'),
      eps: z.number(),
      seed: z.int(),
      clip: z.boolean(),
      folder: z.string(),
      models: z.strictObject({ c1: z.string(), c2: z.string(), attacker: z.string() }),
      epochs: z.array(Epoch),
      final: z.strictObject({ c1: Attacked, c2: Attacked }),
    }),
  ]),
});
const resultOf = async (run: string) => Result.parse(await json(inRun(run, 'result.json')));

/**
 * Every file of a run with its hash, and `result.json` without its environment, which `report.html` shows too: what two
 * equal runs share.
 */
async function contentOf(run: string): Promise<object> {
  const hashed = (await filesOf(run)).filter((file) => !['report.html', 'result.json'].includes(file));
  const hashes = await Promise.all(hashed.map(async (file) => `${file} ${await sha256(inRun(run, file))}`));
  const result = (await json(inRun(run, 'result.json'))) as object;
  return { hashes, result: JSON.stringify({ ...result, environment: null }) };
}

const expectSame = async (run: string): Promise<void> =>
  expect(await contentOf(run)).toEqual(await contentOf('runs/whole'));

interface Images {
  readonly image: Float32Array;
  readonly labels: ArrayLike<number>;
  readonly count: number;
}

const fraction = (pixels: Uint8Array): Float32Array => Float32Array.from(pixels, (pixel) => pixel / 255);

const testImages = (): Images => {
  const { images, labels } = examples(counts.test);
  return { image: fraction(images), labels, count: counts.test };
};

async function infer(
  model: string,
  image: Float32Array,
  batchSize = image.length / 784,
): Promise<Record<string, Float32Array>> {
  const session = await ort.InferenceSession.create(model);
  const parts: Record<string, number[]> = {};
  for (let at = 0; at < image.length / 784; at += batchSize) {
    const batch = image.slice(at * 784, (at + batchSize) * 784);
    const outputs = await session.run({
      image: new ort.Tensor('float32', batch, [batch.length / 784, 1, 28, 28]),
    });
    for (const [name, { data }] of Object.entries(outputs)) {
      (parts[name] ??= []).push(...(data as Float32Array));
    }
  }
  await session.release();
  return Object.fromEntries(Object.entries(parts).map(([name, data]) => [name, Float32Array.from(data)]));
}

/** Accuracy and mean cross-entropy, worked out from the probabilities. */
function score(probabilities: Float32Array, { labels, count }: Images) {
  let right = 0;
  let loss = 0;
  for (let i = 0; i < count; i++) {
    const row = probabilities.subarray(i * 10, (i + 1) * 10);
    expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    if (row.every((p) => p <= row[labels[i]!]!)) right++;
    loss -= Math.log(row[labels[i]!]!);
  }
  return { accuracy: right / count, loss: loss / count };
}

const largest = (values: Float32Array): number => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

describe('sparring train', () => {
  it('prints result.json, and nothing else, with --json', async () => {
    expect(whole).toMatchObject({ code: 0, signal: null });
    expect(whole.stdout).toBe(await readFile(inRun('runs/whole', 'result.json'), 'utf8'));
  });

  it('leaves a result that keeps its contract and agrees with the other files', async () => {
    const result = await resultOf('runs/whole');
    const config = await json(inRun('runs/whole', 'config.json'));
    const lines = (await readFile(inRun('runs/whole', 'metrics.jsonl'), 'utf8')).split('\n');
    const [run] = result.runs;
    expect(result.config).toEqual(config);
    expect(config).toMatchObject({
      eps: [0.3],
      seeds: [5],
      clip: true,
      bound: 'tanh',
      batchSize: 8,
      threads: 1,
    });
    expect(run).toMatchObject({ eps: 0.3, seed: 5, clip: true, folder: cell });
    expect(run.epochs.map(({ phase, epoch }) => `${phase} ${epoch}`)).toEqual([
      'classifier 1',
      'classifier 2',
      'attacker 1',
      'attacker 2',
    ]);
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      run.epochs.map((epoch) => ({ cell, ...epoch })),
    );
    expect(run.final).toEqual({ c1: run.epochs.at(-1)!.c1, c2: run.epochs.at(-1)!.c2 });
    for (const [name, file] of [
      ['c1', 'classifier-c1.onnx'],
      ['c2', 'classifier-c2.onnx'],
      ['attacker', 'attacker.onnx'],
    ] as const) {
      expect(run.models[name]).toBe(await sha256(inRun('runs/whole', cell, file)));
    }
  });

  it('leaves these files, and a link from runs/latest', async () => {
    expect(await filesOf('runs/whole')).toEqual(
      [...files, classifiers, ...cellFiles.map((file) => join(cell, file))].sort(),
    );
    expect(await readlink(inRun('runs/latest'))).toBe('whole');
  });

  it('tells its progress in plain lines on standard error', () => {
    const lines = whole.stderr.trimEnd().split('\n');
    const { train, test } = counts;
    const rest = String.raw`(  [\d.]+ images/s)?(  (took )?[\d hmins]+( left)?)?`;
    const place = String.raw`(  step \d+ of 10(, about \d+ (s|min) left in all)?)?`;
    const training = new RegExp(
      String.raw`^(C1|C2|attacker) epoch [12]/2  \d+ %  \d+/${train} images${rest}  loss \d+\.\d{3}${place}$`,
    );
    const testing = new RegExp(String.raw`^test  \d+ %  \d+/${test} images${rest}${place}$`);
    expect(lines.some((line) => line.includes('  step 9 of 10, about '))).toBe(true);
    expect(lines.filter((line) => !training.test(line) && !testing.test(line))).toEqual([]);
    for (const title of ['C1', 'C2', 'attacker'].flatMap((name) => [
      `${name} epoch 1/2`,
      `${name} epoch 2/2`,
    ])) {
      expect(lines).toContainEqual(
        expect.stringMatching(
          new RegExp(
            String.raw`^${title}  100 %  ${train}/${train} images  [\d.]+ images/s  took \d+ s  loss`,
          ),
        ),
      );
    }
    expect(lines.filter((line) => line.startsWith(`test  100 %  ${test}/${test}`)).length).toBe(4);
  });

  describe('exports models that', () => {
    const model = (name: string): string => inRun('runs/whole', cell, `${name}.onnx`);

    it('have the accuracies of result.json in onnxruntime-node alone', async () => {
      const test = testImages();
      const { final } = (await resultOf('runs/whole')).runs[0];
      const { attacked } = await infer(model('attacker'), test.image);
      for (const name of ['c1', 'c2'] as const) {
        for (const [view, image] of [
          ['clean', test.image],
          ['attacked', attacked!],
        ] as const) {
          const { probabilities } = await infer(model(`classifier-${name}`), image);
          const { accuracy, loss } = score(probabilities!, test);
          expect(accuracy, `${name} ${view}`).toBe(final[name][view].accuracy);
          expect(loss, `${name} ${view}`).toBeCloseTo(final[name][view].loss, 4);
        }
      }
    });

    it('change no pixel by more than eps, and give valid images', async () => {
      const { image } = testImages();
      const { perturbation, attacked } = await infer(model('attacker'), image);
      expect(largest(perturbation!)).toBeLessThanOrEqual(0.3 + 1e-7);
      expect(largest(perturbation!)).toBeGreaterThan(0.03);
      const expected = perturbation!.map((p, i) => Math.min(1, Math.max(0, Math.fround(image[i]! + p))));
      expect(attacked).toEqual(expected);
    });

    it.each([1, 7])('take batches of %i', async (size) => {
      const { image } = testImages();
      for (const name of ['classifier-c1', 'classifier-c2', 'attacker']) {
        const all = await infer(model(name), image);
        const batches = await infer(model(name), image, size);
        expect(Object.keys(batches)).toEqual(Object.keys(all));
        for (const output of Object.keys(all)) {
          const difference = all[output]!.map((x, i) => x - batches[output]![i]!);
          expect(largest(difference), `${name} ${output}`).toBeLessThan(1e-5);
        }
      }
    });

    it.each([
      ['classifier-c1', 'classifier', ['logits', 'probabilities'], [10]],
      ['attacker', 'attacker', ['perturbation', 'attacked'], [1, 28, 28]],
    ])('have names that can be read: %s', async (file, network, outputs, shape) => {
      const proto = onnxProto.onnx.ModelProto.decode(await readFile(model(file)));
      const describePort = ({ name, type }: onnxProto.onnx.IValueInfoProto): string => {
        const dims = type?.tensorType?.shape?.dim ?? [];
        return `${name} ${dims.map(({ dimParam, dimValue }) => dimParam || String(dimValue)).join()}`;
      };
      const { input, output, initializer, node } = proto.graph!;
      expect(input!.map(describePort)).toEqual(['image batch,1,28,28']);
      expect(output!.map(describePort)).toEqual(outputs.map((name) => `${name} batch,${shape.join()}`));
      const names = initializer!.map(({ name }) => name!);
      const weights = new RegExp(
        `^${network}/(conv|norm|deconv|denorm)\\d/(weight|bias|running_mean|running_var)$|^${network}/linear/(weight|bias)$`,
      );
      for (const name of names) expect(name).toMatch(/^constant_\d+$|\//);
      expect(names.filter((name) => name.includes('/')).every((name) => weights.test(name))).toBe(true);
      expect(names).toContain(`${network}/conv1/weight`);
      for (const { name, opType } of node!) {
        expect([...outputs, name!.replace(/_\d+$/, '')]).toContain(outputs.includes(name!) ? name : opType);
      }
    });

    it('describe their inputs and outputs as they are', async () => {
      for (const name of ['classifier-c1', 'attacker']) {
        const proto = onnxProto.onnx.ModelProto.decode(await readFile(model(name)));
        const text = proto.metadataProps!.find(({ key }) => key === 'sparring.program')!.value!;
        const metadata = JSON.parse(text) as Record<string, { name: string }[] & string[]>;
        const inputs = ['data', 'state', 'frozen'].flatMap((kind) =>
          metadata[kind]!.map((port) => port.name),
        );
        expect(inputs).toEqual(proto.graph!.input!.map((port) => port.name));
        expect(metadata['outputs']).toEqual(proto.graph!.output!.map((port) => port.name));
      }
    });
  });

  it(
    'trains on MNIST with the settings of a preset, and ends with a table and the files',
    async () => {
      const settings = [
        '--preset',
        'paper',
        '--mode',
        'consecutive',
        '--eps',
        '0.08',
        '--bound',
        'clamp',
        '--classifier-epochs',
        '1',
        '--attacker-epochs',
        '1',
      ];
      const limits = ['--batch-size', '16', '--train-limit', '32', '--test-limit', '50', '--device', 'cpu'];
      const { code, stdout } = await sparring(['train', ...settings, ...limits, '--out', 'elsewhere/paper'], {
        cwd,
      });
      expect(code).toBe(0);
      const { config, runs } = await resultOf('elsewhere/paper');
      expect(config).toMatchObject({ eps: [0.08], bound: 'clamp', clip: false, seeds: [1], device: 'cpu' });
      expect(config).toMatchObject({ threads: availableParallelism(), data: { source: 'mnist' } });
      const folder = 'consecutive-eps0.08-seed1';
      const lines = stdout.trimEnd().split('\n');
      const percent = `${(100 * runs[0].final.c1.clean.accuracy).toFixed(1)} %`;
      expect(lines.find((line) => line.includes('C1'))).toContain(percent);
      const models = ['classifier-c1.onnx', 'classifier-c2.onnx', 'attacker.onnx', 'samples.png'];
      expect(lines.slice(-7)).toEqual(
        ['report.html', 'result.json', 'metrics.jsonl', ...models.map((file) => `${folder}/${file}`)].map(
          (path) => `elsewhere/paper/${path}`,
        ),
      );
      expect(existsSync(join(cwd, 'elsewhere', 'latest'))).toBe(false);

      const { test } = await loadDigits('mnist');
      const image = fraction(test.stored.images.subarray(0, 50 * 784));
      const { perturbation, attacked } = await infer(
        inRun('elsewhere/paper', folder, 'attacker.onnx'),
        image,
      );
      expect(largest(perturbation!)).toBe(Math.fround(0.08));
      expect(attacked).toEqual(perturbation!.map((p, i) => Math.fround(image[i]! + p)));
      expect(attacked!.some((pixel) => pixel < 0 || pixel > 1)).toBe(true);
      const { probabilities } = await infer(
        inRun('elsewhere/paper', folder, 'classifier-c1.onnx'),
        attacked!,
      );
      const labels = test.stored.labels.subarray(0, 50);
      const { accuracy } = score(probabilities!, { image, labels, count: 50 });
      expect(accuracy).toBe(runs[0].final.c1.attacked.accuracy);
    },
    patience,
  );

  it(
    'gives the same for compressed files',
    async () => {
      await writeIdxFolder(join(cwd, 'zipped'), { train: examples(60), test: examples(50) }, { gzip: true });
      const few = ['--train-limit', '8', '--classifier-epochs', '1', '--attacker-epochs', '1', '--no-clip'];
      const plain = await sparring(newRun('runs/plain', ...few, '--json'), { cwd });
      const zipped = await sparring(newRun('runs/zipped', ...few, '--data', 'zipped', '--json'), { cwd });
      expect([plain.code, zipped.code]).toEqual([0, 0]);
      const [one, other] = [await resultOf('runs/plain'), await resultOf('runs/zipped')];
      expect(other.config).toEqual({
        ...one.config,
        data: { ...(one.config['data'] as object), source: 'zipped' },
      });
      expect(one.config['clip']).toBe(false);
      expect(other.runs).toEqual(one.runs);
      await rm(inRun('runs/plain'), { recursive: true });
      await rm(inRun('runs/zipped'), { recursive: true });
    },
    patience,
  );
});

describe('sparring train --resume', () => {
  const resume = (run: string, ...more: readonly string[]): string[] => ['train', '--resume', run, ...more];

  it.skipIf(process.platform === 'win32')(
    'resumes after SIGINT, SIGTERM and SIGHUP to the same files',
    async () => {
      const saved = (file: string) =>
        `saved runs/stopped/${file}; resume with: npx sparring train --resume runs/stopped\n`;
      const end = ({ stderr }: Finished): string => `${stderr.trimEnd().split('\n').at(-1)}\n`;
      const stopped = async (command: Command, text: string, signal: NodeJS.Signals): Promise<Finished> => {
        await command.says(text);
        command.process.kill(signal);
        return await command.finished;
      };

      const first = await stopped(start(newRun('runs/stopped'), { cwd }), 'C1 epoch 1/2', 'SIGINT');
      expect(first).toMatchObject({ code: 130, signal: null, stdout: '' });
      expect(end(first)).toBe(saved(classifiers));
      expect(await filesOf('runs/stopped')).toEqual([classifiers, 'config.json']);

      const second = await stopped(start(resume('runs/stopped'), { cwd }), 'attacker epoch 1/2', 'SIGTERM');
      expect(second).toMatchObject({ code: 143, signal: null, stdout: '' });
      expect(end(second)).toBe(saved(join(cell, 'checkpoint/state.safetensors')));
      expect(existsSync(inRun('runs/stopped', 'result.json'))).toBe(false);

      // a quick machine may have ended the first epoch by then
      const hungUp = await stopped(start(resume('runs/stopped'), { cwd }), 'attacker epoch', 'SIGHUP');
      expect(hungUp).toMatchObject({ code: 129, signal: null, stdout: '' });
      expect(end(hungUp)).toBe(saved(join(cell, 'checkpoint/state.safetensors')));

      const third = await sparring(resume('runs/stopped', '--json'), { cwd });
      expect(third.code).toBe(0);
      expect(third.stdout).toBe(await readFile(inRun('runs/stopped', 'result.json'), 'utf8'));
      await expectSame('runs/stopped');
      await rm(inRun('runs/stopped'), { recursive: true });
    },
    patience,
  );

  it(
    'resumes after kills at random moments, and one in the middle of a checkpoint, to the same files',
    async () => {
      const random = stream(3, 'kills');
      const checkpoint = inRun('runs/killed', cell, 'checkpoint');
      const within = (most: number): Promise<void> => sleep(most * random.uniform());
      const temporaries = async (): Promise<string[]> =>
        (await readdir(checkpoint).catch(() => [])).filter((name) => name !== 'state.safetensors');
      const training = async (command: Command): Promise<void> => {
        await command.says('epoch');
        await within(250);
      };
      /** A checkpoint of the attacker, which takes a while to write, is there in part. */
      const writing = async (command: Command): Promise<void> => {
        while (command.process.exitCode === null) {
          for (const name of await temporaries()) {
            const found = await stat(join(checkpoint, name)).catch(() => null);
            if (found && found.size > 2 ** 21) return;
          }
          await sleep(2);
        }
      };

      let halfWritten: string[] = [];
      for (const moment of [training, training, writing, () => within(800), training, training]) {
        const begun = existsSync(inRun('runs/killed', 'config.json'));
        const command = start(begun ? resume('runs/killed') : newRun('runs/killed'), { cwd });
        await moment(command);
        command.process.kill('SIGKILL');
        expect(await command.finished).toMatchObject({ signal: 'SIGKILL' });
        if (moment === writing) halfWritten = await temporaries();
      }
      expect(halfWritten).toHaveLength(1);
      expect(await sparring(resume('runs/killed'), { cwd })).toMatchObject({ code: 0 });
      await expectSame('runs/killed');
      await rm(inRun('runs/killed'), { recursive: true });
    },
    patience,
  );

  it(
    'takes the data from where it is now',
    async () => {
      const elsewhere = join(cwd, 'elsewhere');
      await mkdir(elsewhere, { recursive: true });
      const run = join('..', 'runs/whole');
      const lost = await sparring(resume(run), { cwd: elsewhere });
      expect(lost).toMatchObject({ code: 2, stdout: '' });
      expect(lost.stderr).toMatch(
        /cannot read the data set data: .*; if the data of ..\/runs\/whole has moved, name its folder with --data\n$/,
      );
      const before = await contentOf('runs/whole');
      const found = await sparring(resume(run, '--data', join('..', 'data')), { cwd: elsewhere });
      expect(found).toMatchObject({ code: 0, stderr: '' });
      expect(await contentOf('runs/whole')).toEqual(before);
    },
    patience,
  );

  it(
    'leaves a finished run as it is, also through runs/latest',
    async () => {
      const before = await contentOf('runs/whole');
      await rm(inRun('runs/latest'));
      expect(await sparring(resume('runs/whole'), { cwd })).toMatchObject({ code: 0, stderr: '' });
      expect(await readlink(inRun('runs/latest'))).toBe('whole');
      expect(await sparring(resume('runs/latest', '--json'), { cwd })).toMatchObject({ code: 0, stderr: '' });
      expect(await readlink(inRun('runs/latest'))).toBe('whole');
      expect(await contentOf('runs/whole')).toEqual(before);
    },
    patience,
  );
});
