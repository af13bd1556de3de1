import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { command } from '../../support/command.ts';
import { around, elsewhere } from '../../support/elsewhere.ts';
import { digits, nearestMean } from '../../support/examples.ts';

const home = process.cwd();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-inspect-'));
  process.chdir(folder);
  const { known } = await digits(1);
  const classifier = nearestMean(known);
  const image = b.input('x', 'float32', ['n', 1, 28, 28]);
  await writeFile('model.onnx', elsewhere(around(classifier, image)));
  // ink is what lies above -0.85, so that only pixels of -1..1 have a ground
  const aboveGround = (x: b.Value): b.Value => b.sub(1, b.mul(b.relu(b.sub(b.neg(x), 0.85)), 1 / 0.15));
  await writeFile('signed.onnx', elsewhere(around(classifier, image, aboveGround)));
  await writeFile(
    'two.onnx',
    elsewhere(around(classifier, image, undefined, (y) => ({ a: y, b: b.neg(y) }))),
  );
});
afterAll(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

describe('sparring inspect', () => {
  it('says what was understood, as lines', async () => {
    const { code, stdout } = await command('inspect', 'model.onnx');
    expect(code).toBe(0);
    for (const line of [
      /^written by +another tool, IR 8, opset 17$/m,
      /^inputs +x float32\[n,1,28,28\]$/m,
      /^operators +Reshape 1, MatMul 1, Add 1$/m,
      /^images +1 x 28 x 28 /m,
      /^preprocessing +pixels 0\.\.1 \(assumed: nothing says otherwise\)$/m,
      /^gradient +yes$/m,
      /^self-check +logits within .* of the file's on 3 random images \(allowed 0.001\)$/m,
    ]) {
      expect(stdout).toMatch(line);
    }
  });

  it('says the same as JSON', async () => {
    const { stdout } = await command(
      'inspect',
      'model.onnx',
      '--json',
      '--scale',
      '0..255',
      '--mean',
      '127.5',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'model.onnx',
      classifier: {
        image: { channels: 1, height: 28, width: 28 },
        classes: 10,
        ports: {
          input: { name: 'x', layout: 'nchw', scale: [255], shift: [-127.5] },
          output: { name: 'scores' },
        },
      },
      gradient: { exists: true, reason: null, missing: [] },
      problem: null,
      data: null,
    });
  });

  it('says all that is known of a model that is rejected, and why', async () => {
    const { code, stdout, stderr } = await command('inspect', 'two.onnx');
    expect(code).toBe(2);
    expect(stdout).toMatch(/^outputs +a float32\[n,10\], b float32\[n,10\]$/m);
    expect(stderr).toBe(
      'sparring: two.onnx: wrapped has 2 outputs, a float32[n,10], b float32[n,10]; name the one of logits or probabilities (output)\n',
    );
    expect(await command('inspect', 'two.onnx', '--output', 'a')).toMatchObject({ code: 0, stderr: '' });
  });

  it('tries the usual preprocessing on labelled images, and says which gives the model its accuracy', async () => {
    const { stdout } = await command('inspect', 'signed.onnx', '--data', 'mnist', '--json');
    const { data } = JSON.parse(stdout) as {
      data: { images: number; understood: number; candidates: { options: object; accuracy: number }[] };
    };
    expect(data.images).toBe(500);
    expect(data.candidates[0]).toMatchObject({ options: { scale: '-1..1' } });
    expect(data.candidates[0]!.accuracy).toBeGreaterThan(data.understood + 0.1);
    const { stdout: text } = await command('inspect', 'signed.onnx', '--data', 'mnist');
    expect(text).toMatch(/^the preprocessing is more likely --scale -1\.\.1$/m);
  });
});
