import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeModel } from '../../../src/onnx/index.ts';
import { attackerMetadata, AttackerCard } from '../../../src/runtime/attacker/card.ts';
import { Audit } from '../../../src/runtime/audit/document.ts';
import { stream } from '../../../src/runtime/random.ts';
import { openModel } from '../../../src/runtime/session.ts';
import { float32 } from '../../../src/runtime/tensor.ts';
import { fileOf } from '../../support/classifiers.ts';
import { command } from '../../support/command.ts';
import { start } from '../../support/cli.ts';
import { drawnBatch, smallClassifier } from '../../support/oracles.ts';

const home = process.cwd();
let folder: string;
const image = { channels: 3, height: 32, width: 32 };
const victim = (seed: number) => fileOf(smallClassifier(stream(seed, 'victim'), image, 10));

/** Colour images in records as CIFAR-10 has them. */
function records(name: string, count: number): Uint8Array {
  const random = stream('records', name);
  const size = 1 + 3 * 32 * 32;
  return Uint8Array.from({ length: count * size }, (_, at) =>
    at % size === 0 ? random.below(10) : random.below(256),
  );
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-attacker-'));
  process.chdir(folder);
  for (let i = 1; i <= 5; i++) await writeFile(`data_batch_${i}.bin`, records(`train ${i}`, 8));
  await writeFile('test_batch.bin', records('test', 12));
  await writeFile('one.onnx', victim(1));
  await writeFile('two.onnx', victim(2));
  const small = smallClassifier(stream(3, 'victim'), { channels: 3, height: 8, width: 8 }, 10);
  await writeFile('small.onnx', fileOf(small));
});
afterAll(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

const usual = ['--data', '.', '--epochs', '2', '--batch-size', '10', '--threads', '1'];
const train = (...args: readonly string[]) => command('train-attacker', ...args, ...usual);
const cardOf = async (file: string): Promise<AttackerCard> =>
  AttackerCard.parse(JSON.parse(describeModel(await readFile(file)).metadata[attackerMetadata]!));

describe('sparring train-attacker on colour images', () => {
  it('trains one network for every eps, which an audit runs', async () => {
    const args = ['one.onnx', 'two.onnx', '--eps', '0..64/255', '--width', '4', '--out', 'any.onnx'];
    const made = await train(...args);
    expect(made.stderr).not.toContain('sparring:');
    expect(made.code).toBe(0);
    expect(made.stdout).toContain('eps 0.251');
    const card = await cardOf('any.onnx');
    expect(card).toMatchObject({
      kind: 'generator',
      eps: [0, 64 / 255],
      targeted: false,
      width: 4,
      image,
      classes: 10,
      against: [{ name: 'one.onnx' }, { name: 'two.onnx' }],
      training: { data: { images: 40 }, epochs: 2, batchSize: 10, seed: 1 },
    });
    expect(card.measured.map(({ eps, images }) => [eps, images])).toEqual(
      [8, 16, 32, 64].map((level) => [level / 255, 12]),
    );
    const words = ['audit', 'one.onnx', '--data', '.', '--eps', '16/255', '--attacks', 'noise,generator'];
    const running = [
      '--device',
      'cpu',
      '--attacker',
      'any.onnx',
      '--eps-curve',
      'none',
      '--out',
      'audit',
      '--json',
      '--threads',
      '1',
    ];
    const audited = await command(...words, ...running);
    expect(audited.stderr).not.toContain('sparring:');
    expect(audited.code).toBe(0);
    const audit = Audit.parse(JSON.parse(audited.stdout));
    expect(audit.attackers).toMatchObject([{ attack: 'generator', name: 'any.onnx', eps: [0, 64 / 255] }]);
    const { generator } = audit.attacks;
    expect(generator).toMatchObject({ title: 'attacker', access: 'model', given: 'all' });
    // the audit attacks the same images by the same eps as the training measured
    expect(generator!.accuracy).toBe(card.measured[1]!.attacked);
  });

  it('trains one perturbation for each class to aim at', async () => {
    const args = ['one.onnx', '--kind', 'universal', '--targeted', '--eps', '0.2', '--learning-rate', '0.5'];
    expect(await train(...args, '--out', 'universal.onnx', '--json')).toMatchObject({ code: 0 });
    const { measured } = await cardOf('universal.onnx');
    expect(measured).toHaveLength(1);
    expect(measured[0]!.success).toBeGreaterThan(0.1);
    const model = await openModel(await readFile('universal.onnx'), { device: 'cpu', threads: 1 });
    const { images } = drawnBatch(1, 3, image, 10);
    const { perturbation } = await model.run({
      image: float32(images.shape, images.data),
      target: { dtype: 'int32', shape: [3], data: Int32Array.of(4, 7, 4) },
    });
    await model.close();
    const data = perturbation!.data as Float32Array;
    const row = (i: number) => data.subarray((i * data.length) / 3, ((i + 1) * data.length) / 3);
    expect(row(0)).toEqual(row(2));
    expect(row(0)).not.toEqual(row(1));
  });

  it('writes the same file for the same seed', async () => {
    const args = ['one.onnx', '--kind', 'universal', '--eps', '0.2'];
    await train(...args, '--out', 'first.onnx');
    await train(...args, '--out', 'again.onnx');
    expect(await readFile('again.onnx')).toEqual(await readFile('first.onnx'));
    await train(...args, '--out', 'again.onnx', '--force', '--seed', '2');
    expect(await readFile('again.onnx')).not.toEqual(await readFile('first.onnx'));
  });
});

describe('sparring train-attacker that is interrupted', () => {
  const long = ['one.onnx', '--eps', '0.2', '--width', '4', '--data', '.', '--batch-size', '10'];
  const limits = ['--threads', '1', '--epochs'];

  it('prints a command that keeps its checkpoint, although the file exists', async () => {
    const words = ['train-attacker', ...long, '--out', 'stopped.onnx', ...limits, '100000'];
    await writeFile('stopped.onnx', 'an older one');
    const first = start([...words, '--force'], { cwd: folder });
    await first.says('epoch 1/');
    first.process.kill('SIGINT');
    const { code } = await first.finished;
    expect(code).toBe(130);
    const line = first.stderr().split('resume with: ')[1]!;
    expect(line).toContain('train-attacker one.onnx');
    expect(line).not.toContain('--force');
    const second = start(words, { cwd: folder });
    await second.says('resuming after');
    second.process.kill('SIGINT');
    await second.finished;
    expect(await readFile('stopped.onnx', 'utf8')).toBe('an older one');

    // the same bytes, read in another way
    const other = await command(...words, '--mean', '0.50001', '--std', '0.5');
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('is of a training with another classifier, data, option or version');
  }, 120_000);

  it('removes what a write left whose process was killed', async () => {
    for (const name of ['cut.onnx.3398717855', 'cut.onnx.checkpoint.17']) await writeFile(name, 'half');
    await train('one.onnx', '--eps', '0.2', '--width', '4', '--out', 'cut.onnx');
    const left = (await readdir('.')).filter((name) => name.startsWith('cut.'));
    expect(left).toEqual(['cut.onnx']);
  });
});

describe('sparring train-attacker rejects', () => {
  const rejected = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await train(...args);
    expect(code).toBe(2);
    return stderr;
  };

  it('a file that exists', async () => {
    expect(await rejected('one.onnx', '--eps', '0.1', '--out', 'two.onnx')).toContain(
      'two.onnx exists; choose another --out, or replace it with --force',
    );
  });

  it('an --out that is a classifier, whatever --force', async () => {
    const before = await readFile('two.onnx');
    await symlink('two.onnx', 'link.onnx');
    for (const out of ['two.onnx', './two.onnx', 'link.onnx']) {
      expect(await rejected('one.onnx', 'two.onnx', '--eps', '0.1', '--out', out, '--force')).toContain(
        `--out: ${out} is a file of the classifier two.onnx; choose another --out`,
      );
    }
    expect(await readFile('two.onnx')).toEqual(before);
    await writeFile('x.onnx.checkpoint', before);
    expect(await rejected('x.onnx.checkpoint', '--eps', '0.1', '--out', 'x.onnx', '--force')).toContain(
      'x.onnx.checkpoint is a file of the classifier',
    );
    await rm('x.onnx.checkpoint');
  });

  it('a model or data that cannot be read, and makes no folder', async () => {
    const out = ['--eps', '0.1', '--out', 'new/deep/a.onnx'];
    expect(await rejected('none.onnx', ...out)).toContain('none.onnx');
    await mkdir('empty');
    const noData = await command('train-attacker', 'one.onnx', ...out, '--data', 'empty');
    expect(noData.code).toBe(2);
    await expect(stat('new')).rejects.toThrow('ENOENT');
  });

  it.each([
    ['0.2..0.1', 'two with .. between them, the smaller first, such as 0..16/255; got 0.2..0.1'],
    ['8', 'eps must be in (0, 1], got 8 (did you mean 8/255 = 0.0314?)'],
  ])('--eps %s', async (eps, message) => {
    expect(await rejected('one.onnx', '--eps', eps, '--out', 'x.onnx')).toContain(message);
  });

  it('a classifier of other images than the first', async () => {
    expect(await rejected('one.onnx', 'small.onnx', '--eps', '0.1', '--out', 'x.onnx')).toContain(
      'small.onnx: small takes images [3,8,8], not [3,32,32]',
    );
  });

  it('a batch of more images than there are', async () => {
    expect(await rejected('one.onnx', '--eps', '0.1', '--out', 'x.onnx', '--train-limit', '5')).toContain(
      '5 images are fewer than --batch-size 10; make that smaller',
    );
  });
});

describe('sparring audit rejects', () => {
  const audit = (...args: readonly string[]) =>
    command('audit', 'one.onnx', '--data', '.', '--eps', '0.1', '--out', 'none', ...args);

  it('the attack of an attacker that is not there', async () => {
    expect(await audit('--attacks', 'universal')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        '--attacks universal needs a trained attacker: name its file with --attacker',
      ),
    });
  });

  it('a file that is no attacker', async () => {
    expect(await audit('--attacker', 'two.onnx')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('two.onnx: is no attacker of sparring'),
    });
  });
});
