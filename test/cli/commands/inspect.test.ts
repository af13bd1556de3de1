import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import type { Inspection } from '../../../src/cli/inspection.ts';
import { Audit } from '../../../src/runtime/audit/document.ts';
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

describe('pictures', () => {
  beforeAll(async () => {
    // bright or dark, by the mean of the image
    const image = b.input('x', 'float32', ['n', 1, 28, 28]);
    const mean = b.reduceMean(b.reshape(image, [-1, 784]), { axes: [1], keepdims: true });
    const scores = b.concat([b.mul(b.sub(0.5, mean), 10), b.mul(b.sub(mean, 0.5), 10)], 1);
    await mkdir('photos');
    await writeFile('photos/model.onnx', elsewhere({ name: 'g', inputs: [image], outputs: { scores } }));
    // the middle of each is what its folder says; of the whole, most is the border
    for (const [name, inner] of [
      ['0', 0],
      ['1', 255],
    ] as const) {
      await mkdir(`photos/${name}`);
      const png = new PNG({ width: 56, height: 56 });
      png.data = Buffer.from(
        Array.from({ length: 56 * 56 }, (_, i) => {
          const isInner = [i % 56, Math.floor(i / 56)].every((at) => at >= 14 && at < 42);
          const level = isInner ? inner : 255 - inner;
          return [level, level, level, 255];
        }).flat(),
      );
      await writeFile(`photos/${name}/one.png`, PNG.sync.write(png));
    }
  });

  const understood = async (...more: readonly string[]) => {
    const words = ['inspect', 'photos/model.onnx', '--data', 'photos', '--json'];
    const { stdout, stderr } = await command(...words, ...more);
    expect(stderr).toBe('');
    const { data, classifier } = JSON.parse(stdout) as Inspection;
    return [data!.understood, classifier!.facts.find(({ about }) => about === 'pictures')?.text];
  };

  it('are resized as a file beside the model says, unless an option says otherwise', async () => {
    expect(await understood()).toEqual([0, undefined]);
    const processor = { size: { shortest_edge: 56 }, crop_size: { height: 28, width: 28 }, resample: 3 };
    await writeFile('photos/preprocessor_config.json', JSON.stringify(processor));
    const line = 'its middle is cropped, bicubic (preprocessor_config.json';
    expect(await understood()).toEqual([1, `the shorter side of a picture becomes 56, ${line})`]);
    expect(await understood('--resize', '28')).toEqual([
      0,
      `the shorter side of a picture becomes 28, ${line}, and the options)`,
    ]);
  });

  it('are resized so in an audit, which says it', async () => {
    const words = ['audit', 'photos/model.onnx', '--data', 'photos', '--eps', '0.1', '--attacks', 'noise'];
    const running = ['--device', 'cpu', '--threads', '1', '--eps-curve', 'none', '--json'];
    const { stdout, stderr } = await command(...words, ...running);
    expect(stderr).toContain(
      'photos/model.onnx: the shorter side of a picture becomes 56, its middle is cropped, bicubic (preprocessor_config.json)\n',
    );
    expect(Audit.parse(JSON.parse(stdout)).clean.accuracy).toBe(1);
  });

  it('have options that other data reject', async () => {
    const { code, stderr } = await command('inspect', 'model.onnx', '--data', 'mnist', '--resize', '32');
    expect(code).toBe(2);
    expect(stderr).toBe('sparring: mnist: resize does not go with this data set; leave it out\n');
  });
});
