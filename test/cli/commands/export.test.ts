import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cellsOf,
  classifierCheckpoint,
  classifiersOf,
  configHash,
  createRun,
  initialState,
  saveCheckpoint,
  type RunConfig,
} from '../../../src/runtime/index.ts';
import { classifierTrain } from '../../../src/models/programs.ts';
import { command as sparring } from '../../support/command.ts';
import { smallRun } from '../../support/configs.ts';
import { decodeOrtCheckpoint, encodeOrtCheckpoint } from '../../../src/ort-training/checkpoint-file.ts';

const home = process.cwd();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-export-'));
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

const config: RunConfig = {
  ...smallRun,
  eps: [0.1, 0.2],
  seeds: [7],
  bound: 'clamp',
  clip: false,
  batchSize: 16,
  learningRate: 5e-4,
};

describe('sparring export --ort-training', () => {
  it('writes four files that --check accepts', async () => {
    const exported = await sparring(
      'export',
      '--ort-training',
      '--model',
      'classifier',
      'c',
      '--batch-size',
      '8',
    );
    expect(exported).toMatchObject({ code: 0, stderr: '' });
    expect(exported.stdout).toContain('first weights of seed 1; batches of 8');
    expect((await readdir('c')).sort()).toEqual([
      'checkpoint',
      'eval_model.onnx',
      'optimizer_model.onnx',
      'training_model.onnx',
    ]);
    const checked = await sparring('export', '--check', 'c');
    expect(checked).toMatchObject({ code: 0, stderr: '' });
    expect(checked.stdout).toBe(
      'c: 10 trained tensors (29034 numbers) and 4 others, after 0 steps; models and checkpoint fit\n',
    );
  });

  it('begins with the weights that training with the seed begins with', async () => {
    await sparring('export', '--ort-training', '--model', 'classifier', 'seed5', '--seed', '5');
    const { trainable } = decodeOrtCheckpoint(await readFile('seed5/checkpoint'), 'x');
    const { metadata } = classifierTrain({ batchSize: 8, learningRate: 1e-3 });
    const first = initialState(metadata, [5, 'c1']);
    for (const [name, tensor] of trainable) expect(tensor, `${name}`).toEqual(first.get(name));
  });

  it('freezes the classifier within the attacker and trains the rest', async () => {
    await sparring('export', '--ort-training', '--model', 'attacker', 'a');
    const { trainable, frozen } = decodeOrtCheckpoint(await readFile('a/checkpoint'), 'x');
    expect([...trainable.keys()].every((name) => name.startsWith('attacker/'))).toBe(true);
    expect([...frozen.keys()]).toEqual(
      expect.arrayContaining(['classifier/conv1/weight', 'attacker/norm2/running_mean']),
    );
    expect(await sparring('export', '--check', 'a')).toMatchObject({ code: 0 });
  });

  it("takes a run's weights, settings and Adam, and says what its learning rate needs", async () => {
    await createRun('run', config);
    const cells = cellsOf(config);
    const { metadata } = classifierTrain(config);
    const state = new Map(initialState(metadata, [7, 'c2']));
    state.set('adam/step/classifier', { dtype: 'float32', shape: [], data: Float32Array.of(3) });
    const moment = state.get('adam/m/classifier/linear/bias')!;
    state.set('adam/m/classifier/linear/bias', { ...moment, data: new Float32Array(10).fill(0.5) });
    const checkpoint = { position: { records: [], running: {} }, states: new Map([['c2' as const, state]]) };
    const classifiers = classifiersOf(cells)[0]!;
    await saveCheckpoint(classifierCheckpoint('run', classifiers), checkpoint, configHash(classifiers));
    const args = ['export', '--ort-training', '--run', 'run', '--model', 'classifier'];
    const cell = ['--cell', 'consecutive-eps0.2-seed7'];
    const exported = await sparring(...args, ...cell, '--network', 'c2', 'trained');
    expect(exported).toMatchObject({ code: 0, stderr: '' });
    expect(exported.stdout).toContain(
      'trained weights of c2 in run, consecutive-eps0.2-seed7; batches of 16\n' +
        'onnxruntime begins with learning rate 0.001; set 0.0005 by SetLearningRate\n',
    );
    const { optimizer, trainable } = decodeOrtCheckpoint(await readFile('trained/checkpoint'), 'x');
    expect(optimizer.step).toBe(3);
    expect(optimizer.first.get('classifier/linear/bias')!.data).toEqual(new Float32Array(10).fill(0.5));
    expect(trainable.get('classifier/conv1/weight')).toEqual(state.get('classifier/conv1/weight'));

    expect((await sparring(...args, ...cell, 'no')).stderr).toBe(
      'sparring: run: consecutive-eps0.2-seed7 has no trained c1 yet; resume the run, or leave out --run\n',
    );
    expect((await sparring(...args, 'no')).stderr).toBe(
      'sparring: run has 2 cells; say which by --cell: consecutive-eps0.1-seed7, consecutive-eps0.2-seed7\n',
    );
    expect((await sparring(...args, '--cell', 'x', 'no')).stderr).toBe(
      'sparring: run has no cell x; it has consecutive-eps0.1-seed7, consecutive-eps0.2-seed7\n',
    );
    expect(await readdir('.')).not.toContain('no');
  });

  it('rejects the step of an attacker that was trained by another reading of the paper', async () => {
    await createRun('read', { ...config, eps: [0.1], readings: ['dcgan', 'batch-statistics'] });
    const args = ['export', '--ort-training', '--run', 'read', '--model', 'attacker', 'no'];
    expect((await sparring(...args)).stderr).toBe(
      'sparring: read: consecutive-eps0.1-seed7 reads the paper as dcgan, batch-statistics, which the exported step of A ' +
        'does not; export that of a run without --reading\n',
    );
    expect(await readdir('.')).not.toContain('no');
  });

  it.each([
    [['out'], 'say what to export: --ort-training, or --check DIR'],
    [['--ort-training', 'out'], 'say which model: --model classifier or --model attacker'],
    [
      ['--ort-training', '--model', 'attacker'],
      'say where to: sparring export --ort-training --model NAME OUT',
    ],
    [
      ['--ort-training', '--model', 'attacker', '--run', 'run', '--eps', '0.1', 'out'],
      "--eps is the run's; leave it out, or leave out --run",
    ],
    [
      ['--ort-training', '--model', 'classifier', '--initial', 'out'],
      '--initial goes with --run DIR; without, the weights are the first ones',
    ],
    [
      ['--ort-training', '--model', 'classifier', 'c'],
      'cannot make the folder c: it exists already; remove it or choose another name',
    ],
    [
      ['--check', 'nowhere'],
      'cannot read nowhere/training_model.onnx: no such file or folder; check the path',
    ],
  ])('refuses %j', async (args, line) => {
    expect(await sparring('export', ...args)).toEqual({ code: 2, stdout: '', stderr: `sparring: ${line}\n` });
  });
});

describe('sparring export --check', () => {
  /** What it says of a copy of `c` with one file changed. */
  async function refusal(file: string, change: (bytes: Uint8Array) => Uint8Array): Promise<string> {
    await rm('changed', { recursive: true, force: true });
    await cp('c', 'changed', { recursive: true });
    await writeFile(`changed/${file}`, change(await readFile(`c/${file}`)));
    const { code, stdout, stderr } = await sparring('export', '--check', 'changed');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    return stderr;
  }

  it('refuses a truncated checkpoint', async () => {
    expect(await refusal('checkpoint', (bytes) => bytes.subarray(0, 100_000))).toBe(
      'sparring: changed/checkpoint: is truncated or damaged; export it again\n',
    );
  });

  it('refuses a tensor that no model reads under that name', async () => {
    const renamed = (bytes: Uint8Array): Uint8Array =>
      Buffer.from(Buffer.from(bytes).toString('latin1').replace('conv1/bias', 'conv1/bios'), 'latin1');
    expect(await refusal('checkpoint', renamed)).toBe(
      'sparring: changed/training_model.onnx: has no input classifier/conv1/bios, which the checkpoint holds; export it again\n',
    );
  });

  it('refuses a checkpoint that lacks a tensor', async () => {
    const without = (bytes: Uint8Array): Uint8Array => {
      const checkpoint = decodeOrtCheckpoint(bytes, 'x');
      const frozen = new Map(checkpoint.frozen);
      frozen.delete('classifier/norm1/running_var');
      return encodeOrtCheckpoint({ ...checkpoint, frozen });
    };
    expect(await refusal('checkpoint', without)).toBe(
      'sparring: changed/checkpoint: has no tensor classifier/norm1/running_var, which training_model.onnx reads; export it again\n',
    );
  });

  it('refuses a tensor of another shape', async () => {
    const reshaped = (bytes: Uint8Array): Uint8Array => {
      const checkpoint = decodeOrtCheckpoint(bytes, 'x');
      const bias = checkpoint.trainable.get('classifier/linear/bias')!;
      const trainable = new Map(checkpoint.trainable).set('classifier/linear/bias', {
        ...bias,
        shape: [1, 10],
      });
      return encodeOrtCheckpoint({ ...checkpoint, trainable });
    };
    expect(await refusal('checkpoint', reshaped)).toBe(
      'sparring: changed/training_model.onnx: input classifier/linear/bias is float32[10], but checkpoint has float32[1,10]; export it again\n',
    );
  });

  it('refuses models of another network, and files that are none', async () => {
    const attacker = await readFile('a/training_model.onnx');
    expect(await refusal('training_model.onnx', () => attacker)).toBe(
      'sparring: changed/training_model.onnx: has no input classifier/conv1/bias_grad.accumulation.buffer, ' +
        'the buffer of classifier/conv1/bias; export it again\n',
    );
    const evaluation = await readFile('c/eval_model.onnx');
    expect(await refusal('training_model.onnx', () => evaluation)).toBe(
      'sparring: changed/training_model.onnx: was not exported by sparring; export it again\n',
    );
    expect(await refusal('optimizer_model.onnx', () => evaluation)).toMatch(
      /^sparring: changed\/optimizer_model.onnx: has the inputs image, label, .*, expected learning_rate, step, params, gradients, first_order_moments, second_order_moments; export it again\n$/,
    );
    expect(await refusal('eval_model.onnx', () => Buffer.from('no model'))).toBe(
      'sparring: changed/eval_model.onnx: the bytes are not an ONNX model, or are damaged; export it again\n',
    );
  });
});
