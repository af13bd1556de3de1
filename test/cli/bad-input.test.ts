import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import * as b from '../../src/builder/index.ts';
import * as onnx from '../../src/onnx/index.ts';
import { main } from '../../src/cli/main.ts';
import {
  cellsOf,
  ClassifierRecord,
  classifiersOf,
  configHash,
  createRun,
  encodeSafetensors,
  loadCheckpoint,
  loadDigits,
  lockRun,
  saveCheckpoint,
  type Checkpoint,
  type RunConfig,
  type RunFolder,
} from '../../src/runtime/index.ts';
import { smallRun } from '../support/configs.ts';
import { sparring, start } from '../support/cli.ts';
import { encodeIdx, examples, writeIdxFolder } from '../support/idx.ts';

const expectedData =
  "'mnist', a folder with train-images-idx3-ubyte and so on, a folder with the binary version of CIFAR-10 or CIFAR-100, " +
  'an npy or npz file, or a folder of PNG, JPEG or WebP pictures, one folder a class';

const home = process.cwd();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-bad-input-'));
  process.chdir(folder);
  await writeIdxFolder('data', { train: examples(56), test: examples(20) });
});
afterAll(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Every file and folder below the working folder, with the bytes of the small ones. */
async function everything(): Promise<string[]> {
  const entries = await readdir('.', { recursive: true, withFileTypes: true });
  return await Promise.all(
    entries
      .map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
      .sort((a, b) => (a.path < b.path ? -1 : 1))
      .map(async ({ entry, path }) => (entry.isFile() ? `${path} ${await readFile(path, 'base64')}` : path)),
  );
}

/** What a refused command line says: one line, with exit code 2, and nothing changed on the disk. */
async function refusal(...args: readonly string[]): Promise<string> {
  const before = await everything();
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      written[stream] += String(text);
      return true;
    });
  }
  const code = await main(args);
  vi.restoreAllMocks();
  expect(written.stdout).toBe('');
  expect(written.stderr).toMatch(/^sparring: .*\n$/);
  expect(code).toBe(2);
  expect(await everything()).toEqual(before);
  return written.stderr.slice('sparring: '.length, -1);
}

const small = ['--data', 'data', '--device', 'cpu', '--threads', '1', '--batch-size', '8'];

/** The configuration of a small run on `data`. */
async function configOfData(change: Partial<RunConfig>): Promise<RunConfig> {
  return { ...smallRun, data: { source: 'data', sha256: (await loadDigits('data')).sha256 }, ...change };
}

describe('a wrong command line is refused in one line:', () => {
  it.each([
    [['trian'], "unknown command 'trian' (Did you mean train?)"],
    [['attack'], "unknown command 'attack'"],
    [['--quiet'], "unknown option '--quiet'"],
    [['train', '--epz', '0.1'], "unknown option '--epz' (Did you mean --eps?)"],
    [['train', '--verbose'], "unknown option '--verbose'"],
    [['train', 'mnist'], 'unexpected argument mnist; train takes options only'],
    [['train', '--eps'], "option '--eps <numbers>' argument missing"],
    [['train', '--out'], "option '--out <dir>' argument missing"],
    [
      ['audit', 'model.onnx', '--attacker', 'a.onnx', 'b.onnx'],
      "too many arguments for 'audit'. Expected 1 argument but got 2. --attacker takes one value; repeat it for more.",
    ],
    [
      ['audit', '--merge', 'a', 'b', 'model.onnx'],
      "missing required argument 'model' (--merge takes all words after it: a b model.onnx)",
    ],
    [
      ['evaluate', '--matrix', '--also', 'runs/a', 'runs/b'],
      '--also takes all runs after it: runs/a runs/b; name the run to evaluate first: ' +
        'sparring evaluate runs/latest --matrix --also runs/a runs/b',
    ],
    [
      ['serve', '--resize', 'none.onnx'],
      "option '--resize [pixels]' argument 'none.onnx' is invalid. It must be a positive integer, got none.onnx; " +
        'name the model before it.',
    ],
  ])('%j', async (args, message) => {
    expect(await refusal(...args)).toBe(message);
  });

  const positive = 'It must be a positive integer';
  const counts = [
    '--batch-size',
    '--classifier-epochs',
    '--attacker-epochs',
    '--train-limit',
    '--test-limit',
    '--threads',
  ];
  it.each([
    ...counts.flatMap((option) =>
      ['0', '-1', '1.5', 'abc', '', '1e3', '0x10', '99999999999999999999'].map(
        (value) => [option, value, `${positive}, got ${value}.`] as const,
      ),
    ),
    ['--threads', '257', 'It must be at most 256, got 257.'],
    ...['-1', '1.5', 'abc', '', '99999999999999999999'].map(
      (value) => ['--seed', value, `It must be an integer from 0 on, got ${value}.`] as const,
    ),
    ...['0', '-0.001', 'abc', '', 'Infinity', 'NaN'].map(
      (value) => ['--learning-rate', value, `It must be a number above 0, got ${value}.`] as const,
    ),
    ...['0', '-0.1', '1.5', 'abc', '', ' ', 'NaN', '1e400', '256'].map(
      (value) => ['--eps', value, `eps must be in (0, 1], got ${value}.`] as const,
    ),
    ['--eps', '3', 'eps must be in (0, 1], got 3 (did you mean 3/255 = 0.0118?).'],
    ['--eps', '0.04,8', 'eps must be in (0, 1], got 8 (did you mean 8/255 = 0.0314?).'],
    ['--eps', '0.04,', 'eps must be in (0, 1], got .'],
    ...['8/', '/255', '8/0', '8/255/2', '255/8', '0/255'].map(
      (value) => ['--eps', value, `eps must be in (0, 1], got ${value}.`] as const,
    ),
    ['--eps', '1e-46', 'eps 1e-46 is 0 as a 32-bit float, so there would be no attack.'],
    ['--eps', '0.04,0.08,0.04', '0.04 is listed twice in 0.04,0.08,0.04.'],
    ['--seed', '1,x', 'It must be an integer from 0 on, got x.'],
    [
      '--mode',
      'consecutive,both',
      'Allowed choices are consecutive, alternating, hardened, both (the first two); got both.',
    ],
    ['--preset', 'slow', 'Allowed choices are quick, paper.'],
    [
      '--mode',
      'alternate',
      'Allowed choices are consecutive, alternating, hardened, both (the first two); got alternate.',
    ],
    ['--bound', 'sigmoid', 'Allowed choices are tanh, clamp.'],
    ['--device', 'tpu', 'Allowed choices are auto, cpu, cuda, webgpu.'],
  ] as const)('train %s "%s"', async (option, value, reason) => {
    const message = await refusal('train', option, value);
    expect(message).toMatch(new RegExp(`^option '${option} <[a-z]+>' argument '`));
    expect(message.slice(message.indexOf(' argument '))).toBe(` argument '${value}' is invalid. ${reason}`);
  });
});

describe('data that cannot be used is refused in one line:', () => {
  beforeAll(async () => {
    await writeIdxFolder('truncated', { train: examples(56), test: examples(20) });
    await writeFile(
      'truncated/train-images-idx3-ubyte',
      encodeIdx([56, 28, 28], new Uint8Array(56 * 784 - 1)),
    );
    await writeIdxFolder('cut-gzip', { train: examples(56), test: examples(20) }, { gzip: true });
    const zipped = await readFile('cut-gzip/t10k-images-idx3-ubyte.gz');
    await writeFile('cut-gzip/t10k-images-idx3-ubyte.gz', zipped.subarray(0, zipped.length / 2));
    const { images } = examples(20);
    const labels = Uint8Array.from({ length: 20 }, (_, i) => (i === 13 ? 10 : i % 10));
    await writeIdxFolder('mislabelled', { train: { images, labels }, test: examples(20) });
    await writeIdxFolder('incomplete', { train: examples(20), test: examples(20) });
    await rm('incomplete/t10k-labels-idx1-ubyte');
    await writeFile('file', 'not a folder');
  });

  it.each([
    [
      'truncated',
      'truncated/train-images-idx3-ubyte: truncated: 43919 bytes, shape [56, 28, 28] takes 43920; fetch the file again',
    ],
    [
      'cut-gzip',
      'cut-gzip/t10k-images-idx3-ubyte.gz: corrupt gzip data (unexpected end of file); fetch the file again',
    ],
    [
      'mislabelled',
      "mislabelled, training images: labels must be 0..9 for the paper's experiment, got 10 for image 13; relabel it",
    ],
    [
      'incomplete',
      'the data set incomplete has no t10k-labels-idx1-ubyte; put the file there, plain or as t10k-labels-idx1-ubyte.gz',
    ],
    [
      'fashion',
      `cannot read the data set fashion: no such file or folder; check the path (expected ${expectedData})`,
    ],
    ['file', `file holds no data set of a known format; expected ${expectedData}`],
  ])('%s', async (data, message) => {
    expect(await refusal('train', ...small, '--data', data, '--out', 'new')).toBe(message);
    expect(await refusal('train', ...small, '--data', data)).toBe(message);
  });

  it.each([
    [
      '--train-limit',
      '57',
      '--train-limit: the limit must be an integer in 1..56, the examples there are; got 57',
    ],
    [
      '--test-limit',
      '21',
      '--test-limit: the limit must be an integer in 1..20, the examples there are; got 21',
    ],
    ['--train-limit', '7', '--batch-size 8 is more than the 7 training images; take a smaller one'],
    ['--batch-size', '57', '--batch-size 57 is more than the 56 training images; take a smaller one'],
  ])('%s %s', async (option, value, message) => {
    expect(await refusal('train', ...small, option, value, '--out', 'new')).toBe(message);
  });
});

describe('a place that cannot be used is refused in one line:', () => {
  beforeAll(async () => {
    await mkdir('taken');
    await writeFile('taken/notes', 'kept');
    await createRun('taken-by-a-run', await configOfData({}));
    await writeFile('taken-by-a-file', 'kept');
    if (process.platform !== 'win32') await symlink('nowhere', 'taken-by-a-link');
  });

  it.each(['taken', 'taken-by-a-file'])('--out %s', async (out) => {
    expect(await refusal('train', ...small, '--out', out)).toBe(
      `${out} exists and is not a run; choose another --out`,
    );
  });

  it.each(['taken-by-a-run', 'taken-by-a-run//'])('--out %s', async (out) => {
    expect(await refusal('train', ...small, '--out', out)).toBe(
      'run folder taken-by-a-run exists; choose another --out, or resume it with --resume taken-by-a-run',
    );
  });

  it.skipIf(process.platform !== 'linux')(
    '--out in /proc, where the system says that /proc is missing',
    async () => {
      const why = 'cannot make the folder /proc/x/y: no such file or folder; check the path';
      expect(await refusal('train', ...small, '--out', '/proc/x/y')).toBe(why);
    },
  );

  it('--out ""', async () => {
    expect(await refusal('train', ...small, '--out', '')).toBe(
      "option '--out <dir>' argument '' is invalid. It must not be empty.",
    );
  });

  it.skipIf(process.platform === 'win32')('--out of a link that leads nowhere', async () => {
    expect(await refusal('train', ...small, '--out', 'taken-by-a-link')).toContain('taken-by-a-link exists');
  });

  it.each(['taken-by-a-file/run', 'taken-by-a-file/runs/run'])('--out %s', async (out) => {
    expect(await refusal('train', ...small, '--out', out)).toMatch(/^cannot make the folder taken-by-a-file/);
  });

  it.each(['runs/latest', './runs/latest/', 'runs/../runs/latest'])('--out %s', async (out) => {
    expect(await refusal('train', ...small, '--out', out)).toBe(
      `${out.replace(/\/$/, '')} is the link to the last finished run; choose another --out`,
    );
  });
});

describe('a part of a sweep that cannot be is refused in one line:', () => {
  it.each(['0/2', '3/2', '2', '1/0', 'a/b', '1/2/3'])('--shard %s', async (text) => {
    expect(await refusal('train', ...small, '--shard', text, '--out', 'new')).toBe(
      `option '--shard <i/n>' argument '${text}' is invalid. It must be i/n with i from 1 to n, such as 1/4; got ${text}.`,
    );
  });

  it('--shard without --out', async () => {
    expect(await refusal('train', ...small, '--shard', '1/2')).toBe(
      '--shard needs --out, the folder that all shards are given',
    );
  });

  it('more shards than cells', async () => {
    const sweep = ['--eps', '0.1,0.2', '--shard', '3/3', '--out', 'new'];
    expect(await refusal('train', ...small, ...sweep)).toBe(
      '--shard 3/3 has no cell: there are 2; take at most 2 shards',
    );
  });

  it('a shard that was begun with other options', async () => {
    const config = await configOfData({ eps: [0.1, 0.2], shard: { index: 1, count: 2 } });
    await createRun('sweep/shard-1-of-2', config);
    const sweep = ['--eps', '0.1,0.3', '--shard', '1/2', '--out', 'sweep'];
    expect(await refusal('train', ...small, '--classifier-epochs', '1', ...sweep)).toBe(
      'sweep/shard-1-of-2 was started with eps [0.1,0.2], not [0.1,0.3]; choose another --out',
    );
  });
});

describe('a classifier that cannot be attacked is refused in one line:', () => {
  beforeAll(async () => {
    await writeFile('text.onnx', 'not a model');
    const image = b.input('image', 'float32', ['batch', 1, 28, 28]);
    await writeFile(
      'none.onnx',
      onnx.encode({ name: 'none', inputs: [image], outputs: { y: b.relu(image) } }),
    );
    const weight = b.constant(b.tensorOf('float32', [784, 10], Array<number>(7840).fill(0.01)));
    const linear = (x: b.Value): b.Value => b.matmul(b.reshape(x, [-1, 784]), weight);
    const save = (name: string, x: b.Value, outputs: Readonly<Record<string, b.Value>>): Promise<void> =>
      writeFile(`${name}.onnx`, onnx.encode({ name, inputs: [x], outputs }));
    await save('several', image, { a: linear(image), b: b.neg(linear(image)) });
    await save('threshold', image, { logits: linear(b.cast(b.greater(image, 0.5), 'float32')) });
    // ONNX Runtime takes computed bounds, and the builder has no gradient of them
    const clipped = b.apply('Clip', [image, b.reduceMean(image)], {})[0]!;
    await save('bounds', image, { logits: linear(clipped) });
  });

  it.each([
    ['gone.onnx', 'cannot read gone.onnx: no such file or folder; check the path'],
    [
      'text.onnx',
      'text.onnx: the bytes are not an ONNX model, or are damaged; take the whole .onnx file of a classifier',
    ],
    [
      'none.onnx',
      'none.onnx: output y is float32[batch,1,28,28], must be [batch,classes]; name another output',
    ],
    [
      'several.onnx',
      'several.onnx: several has 2 outputs, a float32[batch,10], b float32[batch,10]; name the one of logits or probabilities (output)',
    ],
    [
      'threshold.onnx',
      'threshold.onnx: the gradient is zero by construction (it ends at Greater), so FGSM, PGD and the training of an attacker have nothing to follow; what they leave says nothing about robustness; train against another classifier and measure this one with --transfer threshold.onnx',
    ],
    [
      'bounds.onnx',
      'bounds.onnx: grad: Clip with computed bounds has no rule; train against another classifier and measure this one with --transfer bounds.onnx',
    ],
  ])('%s', async (file, message) => {
    expect(await refusal('train', ...small, '--against', file, '--out', 'new')).toBe(message);
  });

  it.each([
    [['--transfer', 'none.onnx'], '--transfer goes with --against; without it, transfer is measured on C2'],
    [
      ['--against', 'none.onnx', '--classifier-epochs', '1'],
      '--against trains no classifier; leave out --classifier-epochs',
    ],
    [['--against', 'none.onnx', '--targets', '2'], '--against trains no classifier; leave out --targets'],
    [
      ['--against', 'none.onnx', '--mode', 'both'],
      '--against trains no classifier; leave out --mode alternating',
    ],
  ])('%j', async (options, message) => {
    expect(await refusal('train', ...small, ...options, '--out', 'new')).toBe(message);
  });
});

describe('a server that would not be what was meant is refused in one line:', () => {
  it.each(['', ' '])('--host "%s", as of a variable that is not set', async (host) => {
    expect(await refusal('serve', '--host', host)).toBe(
      `option '--host <address>' argument '${host}' is invalid. It must not be empty; ` +
        '127.0.0.1 is this machine alone, 0.0.0.0 every interface.',
    );
  });

  it.each(['made-up!secret', 'made up', '', 'é'])(
    'a token "%s", which the line does not repeat',
    async (token) => {
      const line =
        'the token of --token or SPARRING_TOKEN must be one or more letters, digits or -._~+/, then any number of =';
      expect(await refusal('serve', '--token', token)).toBe(line);
      vi.stubEnv('SPARRING_TOKEN', token);
      expect(await refusal('serve')).toBe(line);
      vi.unstubAllEnvs();
    },
  );
});

describe('a folder that is not a run is refused in one line:', () => {
  const line = 'data is not a run: it has no config.json; name a folder that sparring train made';
  it.each([
    ['serve', '--run', 'data'],
    ['demo', '--run', 'data', '--out', 'new'],
    ['evaluate', 'data'],
    ['train', '--resume', 'data'],
  ])('%s %s %s', async (...args) => {
    expect(await refusal(...args)).toBe(line);
  });

  it('report', async () => {
    expect(await refusal('report', 'data')).toBe(
      'data: has no result.json; name the folder of a run, or one that holds runs',
    );
    expect(await refusal('report')).toContain('cannot read runs/latest');
  });

  it('a run without a finished cell', async () => {
    await createRun('unfinished', await configOfData({}));
    expect(await refusal('report', 'unfinished')).toBe(
      'unfinished: no cell is finished yet; resume the run with: npx -y pnpm@10 train --resume unfinished',
    );
    expect(await refusal('serve', '--run', 'unfinished')).toContain(
      'unfinished has no finished attacker yet',
    );
    expect(await refusal('evaluate', 'unfinished')).toContain('no cell is finished yet');
    await rm('unfinished', { recursive: true });
  });
});

describe('a run that cannot be resumed is refused in one line:', () => {
  const run = 'broken';
  let config: RunConfig;
  let paths: RunFolder;
  beforeAll(async () => {
    config = await configOfData({});
  });
  const nothing: Checkpoint = { position: { records: [], running: {} }, states: new Map() };
  const checkpoints = {
    classifiers: 'broken/classifiers-seed1/checkpoint/state.safetensors',
    cell: 'broken/consecutive-eps0.1-seed1/checkpoint/state.safetensors',
  };
  /** A run folder with this configuration, whatever it says, and a line of metrics. */
  const make = async (contents: object): Promise<void> => {
    paths = await createRun(run, config);
    await writeFile(paths.config, JSON.stringify(contents));
    await writeFile(paths.metrics, '{"epoch":1}\n');
  };
  afterEach(async () => {
    await rm(run, { recursive: true, force: true });
  });
  const resumed = (...more: readonly string[]): Promise<string> => refusal('train', '--resume', run, ...more);

  it('a folder that is not there', async () => {
    expect(await resumed()).toBe(`run folder ${run} does not exist; see what is in .`);
    expect(await refusal('train', '--resume', 'runs/one')).toContain('runs/one does not exist');
    expect(await refusal('train', '--resume', '')).toContain('It must not be empty.');
  });

  it('a file', async () => {
    expect(await refusal('train', '--resume', 'data/train-images-idx3-ubyte')).toBe(
      'run folder data/train-images-idx3-ubyte is a file; see what is in data',
    );
  });

  it('a folder without config.json', async () => {
    expect(await refusal('train', '--resume', 'data')).toBe(
      'data is not a run: it has no config.json; name a folder that sparring train made',
    );
  });

  it.each(['', '{"schema": 1,', 'eps: 0.1'])('config.json with the text "%s"', async (text) => {
    await make({});
    await writeFile(paths.config, text);
    expect(await resumed()).toBe('broken/config.json: is not JSON; restore the original file');
  });

  it.each<[string, object | null, RegExp]>([
    ['an unknown field', { rounds: 3 }, /^the file: .*"rounds"/],
    ['a field missing', { seeds: undefined }, /^seeds: /],
    ['eps 3', { eps: [0.1, 3] }, /^eps\.1: /],
    ['no eps', { eps: [] }, /^eps: /],
    ['an eps twice', { eps: [0.1, 0.1] }, /^eps: a value is listed twice/],
    ['a batch size of 0', { batchSize: 0 }, /^batchSize: /],
    [
      'another schema',
      { schema: 2 },
      /^schema 2 is of a newer version of Sparring than this one, which knows 1; update it/,
    ],
    ['another mode', { modes: ['constructive'] }, /^modes\.0: /],
    ['a mode without epochs', { modes: ['alternating'] }, /^classifierEpochs: lacks the epochs of a mode/],
    ['a data set without a hash', { data: { source: 'mnist' } }, /^data\.sha256: /],
    ['null', null, /^the file: /],
  ])('config.json with %s', async (_, change, problem) => {
    await make({});
    await writeFile(paths.config, JSON.stringify(change && { ...config, ...change }));
    const message = await resumed();
    expect(message.startsWith('broken/config.json: ')).toBe(true);
    expect(message.slice('broken/config.json: '.length)).toMatch(problem);
  });

  it('data that have changed since', async () => {
    const { sha256 } = config.data;
    await make({ ...config, data: { source: 'data', sha256: 'f'.repeat(64) } });
    expect(await resumed()).toBe(
      `data is not the data of broken: sha256 ${sha256.slice(0, 12)}..., expected ffffffffffff...; ` +
        'restore the original files, or name their folder with --data',
    );
  });

  it('--data that is not what the run started with', async () => {
    await writeIdxFolder('other', { train: examples(57), test: examples(20) });
    await make(config);
    expect(await resumed('--data', 'other')).toMatch(/^other is not the data of broken: sha256 /);
    await rm('other', { recursive: true });
  });

  it('data that are gone', async () => {
    await make({ ...config, data: { ...config.data, source: 'gone' } });
    const message = await resumed();
    expect(message).toContain('cannot read the data set gone');
    expect(message).toContain('if the data of broken has moved, name its folder with --data');
  });

  it('more images than there are', async () => {
    await make({ ...config, trainLimit: 57 });
    expect(await resumed()).toContain('--train-limit: the limit must be an integer in 1..56');
  });

  it('a run that another process works on', async () => {
    await make(config);
    const lock = await lockRun(run);
    const line = new RegExp(`^run folder ${run} is in use by process ${process.pid} since `);
    expect(await resumed()).toMatch(line);
    await lock.release();
    expect(await readdir(run)).not.toContain('run.lock');
  });

  it.each<[string, (path: string) => Promise<void>, string]>([
    ['corrupt', (path) => writeFile(path, 'x'.repeat(100)), 'not a valid safetensors file'],
    ['empty', (path) => writeFile(path, ''), 'not a valid safetensors file'],
    [
      'of another program',
      (path) => writeFile(path, encodeSafetensors(new Map(), { format: 'pt' })),
      'is not a checkpoint of sparring (format pt); remove it to start again',
    ],
    [
      'of another run',
      (path) => saveCheckpoint(path, nothing, 'other'),
      'belongs to a run with another config.json; restore the original config.json',
    ],
    ['a folder', (path) => mkdir(path).then(() => {}), 'it is a folder, not a file; check the path'],
  ])('a checkpoint that is %s', async (_, damage, problem) => {
    await make(config);
    for (const path of [checkpoints.classifiers, checkpoints.cell]) {
      await mkdir(dirname(path), { recursive: true });
      await damage(path);
      const message = await resumed();
      expect(message).toContain(path);
      expect(message).toContain(problem);
      await rm(path, { recursive: true });
      await saveCheckpoint(path, nothing, configHash(classifiersOf(cellsOf(config))[0]!));
    }
  });

  it.each([
    [['--eps', '0.1'], '--eps'],
    [['--preset', 'quick'], '--preset'],
    [['--batch-size', '8'], '--batch-size'],
    [['--no-clip'], '--no-clip'],
    [['--out', 'new'], '--out'],
    [['--threads', '1'], '--threads'],
  ])('%j beside --resume', async (more, option) => {
    await make(config);
    expect(await resumed(...more)).toBe(
      `--resume takes the options of broken from its config.json; leave out ${option}`,
    );
  });
});

describe('in a process of its own', () => {
  it('sparring prints the line alone and exits with 2', async () => {
    expect(await sparring(['train', '--eps', '3'], { cwd: folder })).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr:
        "sparring: option '--eps <numbers>' argument '3' is invalid. eps must be in (0, 1], got 3 (did you mean 3/255 = 0.0118?).\n",
    });
  });

  it('sparring ends as usual when nobody reads what it prints', async () => {
    const command = start(['train', '--help'], { cwd: folder });
    command.process.stdout!.destroy();
    expect(await command.finished).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  it('sparring keeps its exit code when nobody reads what it complains of', async () => {
    const command = start(['nope'], { cwd: folder });
    command.process.stderr!.destroy();
    expect(await command.finished).toMatchObject({ code: 2, signal: null });
  });

  it.skipIf(process.platform !== 'linux')(
    'sparring says in one line that its output found no room',
    async () => {
      const command = await sparring(['--help'], { cwd: folder, stdout: '/dev/full' });
      expect(command.code).toBe(1);
      expect(command.stderr).toMatch(/^sparring: cannot write to standard output: ENOSPC.*\n$/);
    },
  );

  it('sparring exits with 1 when training fails, and prints no stack', async () => {
    const run = ['train', ...small, '--learning-rate', '1e38', '--out', 'diverged'];
    const { code, stdout, stderr } = await sparring(run, { cwd: folder });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(
      /^sparring: training c1 diverged: loss NaN in epoch 1, step \d; try a smaller --learning-rate$/,
    );
    expect(lines.slice(0, -1).filter((line) => !line.startsWith('C1 epoch 1/'))).toEqual([]);
  });
});

// A limit on the size of files cuts a write short just as a disk does that gets full on the way; for root too.
describe.skipIf(process.platform === 'win32')('when a file cannot be written', { timeout: 240_000 }, () => {
  const tiny = [...small, '--train-limit', '16', '--classifier-epochs', '1', '--attacker-epochs', '1'];
  const tooLarge = 'the file is larger than this system allows; raise the limit or choose another folder';
  const megabytes = (n: number): number => (n * 2 ** 20) / 512;
  const cell = 'consecutive-eps0.16-seed1';
  /** The error's line is the last one, and the only one that is not progress. */
  const expectFailure = (
    { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string },
    message: string,
  ): void => {
    const lines = stderr.trimEnd().split('\n');
    expect(lines.at(-1)).toBe(`sparring: ${message}`);
    expect(lines.slice(0, -1).filter((line) => !/^(C1|C2|attacker|test) /.test(line))).toEqual([]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  };

  it('the last checkpoint stays, and the run goes on from it when there is room', async () => {
    const path = join('full', cell, 'checkpoint', 'state.safetensors');
    const begin = 'full/classifiers-seed1/checkpoint/state.safetensors';
    expectFailure(
      await sparring(['train', ...tiny, '--out', 'full'], { cwd: folder, fileLimit: megabytes(4) }),
      `cannot write ${path}: ${tooLarge}`,
    );
    const config = JSON.parse(await readFile('full/config.json', 'utf8')) as RunConfig;
    const kept = await loadCheckpoint(
      begin,
      configHash(classifiersOf(cellsOf(config))[0]!),
      ClassifierRecord,
    );
    const [{ scores, ...record }] = kept!.position.records as [ClassifierRecord];
    const { c1, c2 } = scores[0]!;
    expect(
      (await readFile('full/metrics.jsonl', 'utf8')).split('\n').map((line) => line && JSON.parse(line)),
    ).toEqual([{ cell, phase: 'classifier', ...record, c1, c2 }, '']);
    expect(await readdir(join('full', cell), { recursive: true })).toEqual(['checkpoint']);
    expect(await sparring(['train', '--resume', 'full'], { cwd: folder })).toMatchObject({ code: 0 });
    expect((await readFile('full/metrics.jsonl', 'utf8')).trimEnd().split('\n')).toHaveLength(2);
  });

  it('a model is not left in part, and there is no result', async () => {
    const models = ['classifier-c1.onnx', 'classifier-c2.onnx', 'attacker.onnx', 'samples.png'];
    const finished = await readFile(join('full', cell, 'attacker.onnx'));
    for (const file of models) await rm(join('full', cell, file));
    await rm('full/result.json');
    expectFailure(
      await sparring(['train', '--resume', 'full'], { cwd: folder, fileLimit: megabytes(4) }),
      `cannot write ${join('full', cell, 'attacker.onnx')}: ${tooLarge}`,
    );
    expect(await readdir(join('full', cell))).toEqual([
      'checkpoint',
      'classifier-c1.onnx',
      'classifier-c2.onnx',
      'confusion.json',
    ]);
    expect(existsSync('full/result.json')).toBe(false);
    expect(await sparring(['train', '--resume', 'full'], { cwd: folder })).toMatchObject({ code: 0 });
    expect((await readFile(join('full', cell, 'attacker.onnx'))).equals(finished)).toBe(true);
    expect(existsSync('full/result.json')).toBe(true);
  });

  it('no run folder is left when not even its config.json can be written', async () => {
    expectFailure(
      await sparring(['train', ...tiny, '--out', 'empty'], { cwd: folder, fileLimit: 0 }),
      `cannot write empty/run.lock: ${tooLarge}`,
    );
    expect(existsSync('empty')).toBe(false);
  });

  // The device is always full: whatever is appended to a link to it meets the real error of a full disk.
  it.skipIf(!existsSync('/dev/full'))('a line of metrics is written again from the checkpoint', async () => {
    const command = start(['train', ...small, '--attacker-epochs', '1', '--out', 'no-metrics'], {
      cwd: folder,
    });
    while (!existsSync('no-metrics/config.json') && command.process.exitCode === null) await sleep(2);
    await symlink('/dev/full', 'no-metrics/metrics.jsonl');
    expectFailure(
      await command.finished,
      'cannot write no-metrics/metrics.jsonl: no space left on the device; free some or choose another folder',
    );
    await rm('no-metrics/metrics.jsonl');
    const stopped = start(['train', '--resume', 'no-metrics'], { cwd: folder });
    await stopped.says('epoch 2/2');
    stopped.process.kill('SIGTERM');
    expect(await stopped.finished).toMatchObject({ code: 143 });
    const lines = (await readFile('no-metrics/metrics.jsonl', 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { epoch: number }).epoch)).toContain(1);
  });
});
