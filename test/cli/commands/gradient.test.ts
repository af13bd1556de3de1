import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { describeModel } from '../../../src/onnx/index.ts';
import type { LossName } from '../../../src/runtime/attacks/index.ts';
import { openModel } from '../../../src/runtime/session.ts';
import { float32 } from '../../../src/runtime/tensor.ts';
import { stream } from '../../../src/runtime/random.ts';
import { fileOf } from '../../support/classifiers.ts';
import { command } from '../../support/command.ts';
import { around, elsewhere } from '../../support/elsewhere.ts';
import { drawnBatch, oracleOf, smallClassifier } from '../../support/oracles.ts';

const home = process.cwd();
let folder: string;
const size = { channels: 3, height: 6, width: 6 } as const;
const classifier = smallClassifier(stream(1, 'gradient'), size, 5);
const batch = drawnBatch(2, 4, size, 5);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-gradient-'));
  process.chdir(folder);
  // NHWC, bytes scaled inside, a softmax at the end: what is written takes images in 0..1 all the same
  const nhwc = around(
    classifier,
    b.input('pixels', 'float32', ['n', 6, 6, 3]),
    (x) => b.div(b.transpose(x, [0, 3, 1, 2]), 255),
    (logits) => ({ probabilities: b.softmax(logits) }),
  );
  await writeFile('model.onnx', elsewhere(nhwc));
  const image = b.input('image', 'float32', ['batch', 1, 2, 2]);
  await writeFile(
    'steps.onnx',
    fileOf({ name: 's', inputs: [image], outputs: { y: b.sign(b.flatten(image)) } }),
  );
});
afterAll(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

describe('sparring gradient', () => {
  it.each<readonly [loss: LossName, device: 'cpu' | 'webgpu']>([
    ['ce', 'cpu'],
    ['gap', 'webgpu'],
    ['dlr-targeted', 'cpu'],
  ])('writes the gradient of %s for %s, which gives what the oracle gives', async (loss, device) => {
    const out = `${loss}-${device}.onnx`;
    const made = await command('gradient', 'model.onnx', '--out', out, '--loss', loss, '--device', device);
    expect(made).toMatchObject({ code: 0 });
    expect(made.stdout).toContain(`${out}: image float32 [batch,3,6,6] in 0..1, label int32 [batch]`);
    expect(made.stderr).toContain('model.onnx: pixels 0..255 (the file begins with x * 0.003922)');
    const oracle = await oracleOf(classifier, size);
    const expected = await oracle.gradient!(batch, loss);
    const model = await openModel(await readFile(out), { device: 'cpu', threads: 1 });
    const {
      logits,
      loss: each,
      gradient,
    } = await model.run({
      image: float32(batch.images.shape, batch.images.data),
      label: { dtype: 'int32', shape: [4], data: batch.labels },
      ...(loss === 'dlr-targeted' && { target: { dtype: 'int32', shape: [4], data: batch.targets } }),
    });
    await Promise.all([oracle.close(), model.close()]);
    expect(logits!.data).toBeAllClose(expected.logits.data, { atol: 1e-5 });
    expect(each!.data).toBeAllClose(expected.loss, { atol: 1e-5 });
    expect(gradient!.shape).toEqual(batch.images.shape);
    expect(gradient!.data).toBeAllClose(expected.gradient.data, { atol: 1e-5 });
  });

  it('is ce by default, of standard operators, and says what it is', async () => {
    expect(await command('gradient', 'model.onnx', '--out', 'g.onnx')).toMatchObject({ code: 0 });
    const { opsets, inputs, outputs, metadata } = describeModel(await readFile('g.onnx'));
    expect(opsets).toEqual({ 'ai.onnx': 17 });
    expect(inputs.map(({ name, element }) => `${name} ${element}`)).toEqual(['image float32', 'label int32']);
    expect(outputs.map(({ name }) => name)).toEqual(['logits', 'loss', 'gradient']);
    expect(JSON.parse(metadata['sparring.gradient']!)).toMatchObject({ schema: 1, loss: 'ce', labels: null });
  });

  it('runs as the documentation shows', async () => {
    const pixels = 28 * 28;
    const x = b.input('image', 'float32', ['batch', 1, 28, 28]);
    const w = b.constant(b.tensorOf('float32', [pixels, 10], new Array<number>(10 * pixels).fill(0)));
    const zero = { name: 'zero', inputs: [x], outputs: { logits: b.matmul(b.reshape(x, [-1, pixels]), w) } };
    await writeFile('zero.onnx', fileOf(zero));
    expect(await command('gradient', 'zero.onnx', '--out', 'gradient.onnx')).toMatchObject({ code: 0 });
    const page = await readFile(join(home, 'docs/classifiers.md'), 'utf8');
    const [, code] = /```js\n(import [^\n]+'onnxruntime-node';\n[^]*?)```/.exec(page)!;
    await symlink(join(home, 'node_modules'), 'node_modules');
    const args = ['--input-type=module', '--eval', code!];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
    // all classes are as likely: the cross-entropy is log 10
    const [loss, ...dims] = stdout.trim().split(/\s+/);
    expect(Number(loss)).toBeCloseTo(Math.log(10), 5);
    expect(dims.join(' ')).toBe('[ 1, 1, 28, 28 ]');
  });

  it.each([
    ['g.onnx', 'model.onnx', /^sparring: g.onnx exists; choose another --out, or remove it first\n$/],
    ['s.onnx', 'steps.onnx', /^sparring: steps.onnx: there is no gradient: .* \(it ends at Sign\)/],
    ['n.onnx', 'none.onnx', /^sparring: cannot read none.onnx: no such file/],
  ])('does not write %s of %s', async (out, model, line) => {
    const { code, stderr } = await command('gradient', model, '--out', out);
    expect(stderr).toMatch(line);
    expect(code).toBe(2);
  });
});
