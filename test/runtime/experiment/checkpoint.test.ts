import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  InputError,
  EpochRecord,
  loadCheckpoint,
  saveCheckpoint,
  stream,
  type Checkpoint,
  type Tensor,
} from '../../../src/runtime/index.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-checkpoint-'));
  path = join(folder, 'checkpoint', 'state.safetensors');
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const hash = 'a'.repeat(64);
const scores = { clean: { accuracy: 0.1 + 0.2, loss: 1 / 3 }, noise: { accuracy: 1, loss: 5e-324 } };
const record: EpochRecord = {
  phase: 'classifier',
  epoch: 1,
  train: { c1: { loss: 0.7, accuracy: 0.5 }, c2: { loss: Number.MAX_VALUE, accuracy: 0 } },
  c1: scores,
  c2: { ...scores, attacked: { accuracy: 0, loss: 12.5 } },
};

const float32 = (shape: readonly number[], ...values: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
});

const checkpoint: Checkpoint = {
  position: { records: [record], running: { attacker: { steps: 3, loss: 2.1 + 0.1, accuracy: 1.5 } } },
  states: new Map([
    ['c1', new Map([['weight', float32([2, 3], 1, -2, 0.5, Infinity, -0, 1e-40)]])],
    ['c2', new Map([['weight', float32([2, 3], NaN, 3.4e38, -1e-45, 0, 7, 8)]])],
    [
      'attacker',
      new Map<string, Tensor>([
        ['weight', float32([1], 0.1)],
        ['adam/step', { dtype: 'int64', shape: [], data: BigInt64Array.of(2n ** 60n) }],
      ]),
    ],
  ]),
};

const load = (file: string, config: string) => loadCheckpoint(file, config, EpochRecord);

/** Everything in a checkpoint, its numbers bit by bit. */
const bits = ({ position, states }: Checkpoint) => ({
  position,
  states: [...states].map(([network, state]) => [
    network,
    [...state].map(([name, { dtype, shape, data }]) => [
      name,
      dtype,
      shape,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
    ]),
  ]),
});

async function refusal(): Promise<string> {
  const error: unknown = await load(path, hash).then(
    () => expect.fail('it was loaded'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as Error;
  expect(message.split('\n')).toHaveLength(1);
  expect(message).toContain(path);
  return message;
}

/** The saved checkpoint with other metadata. */
async function saveWith(change: Readonly<Record<string, string>>): Promise<void> {
  await saveCheckpoint(path, checkpoint, hash);
  const { tensors, metadata } = decodeSafetensors(await readFile(path), path);
  await writeFile(path, encodeSafetensors(tensors, { ...metadata, ...change }));
}

describe('saveCheckpoint', () => {
  it('and loadCheckpoint give back every bit, and make the folder', async () => {
    await saveCheckpoint(path, checkpoint, hash);
    const loaded = await load(path, hash);
    expect(bits(loaded!)).toEqual(bits(sorted(checkpoint)));
    expect(await readdir(join(folder, 'checkpoint'))).toEqual(['state.safetensors']);
  });

  it('writes the same bytes again for what it has loaded', async () => {
    await saveCheckpoint(path, checkpoint, hash);
    const before = await readFile(path);
    await saveCheckpoint(path, (await load(path, hash))!, hash);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('keeps the confusion matrices of the last epoch', async () => {
    const counts = [
      [5, 1],
      [0, 6],
    ];
    const both = { clean: counts, attacked: counts };
    const confusions = { c1: both, c2: both };
    await saveCheckpoint(path, { ...checkpoint, confusions }, hash);
    expect((await load(path, hash))!.confusions).toEqual(confusions);
    await saveCheckpoint(path, checkpoint, hash);
    expect(await load(path, hash)).not.toHaveProperty('confusions');
  });

  it('replaces a checkpoint with states by one without', async () => {
    await saveCheckpoint(path, checkpoint, hash);
    await saveCheckpoint(path, { position: { records: [], running: {} }, states: new Map() }, hash);
    const loaded = await load(path, hash);
    expect(loaded).toEqual({ position: { records: [], running: {} }, states: new Map() });
  });

  // A limit on the size of files cuts a write short just as a disk does that gets full on the way.
  it.skipIf(process.platform === 'win32')(
    'keeps the old checkpoint when it cannot write all of the new',
    async () => {
      await saveCheckpoint(path, checkpoint, hash);
      const module = fileURLToPath(new URL('../../../src/runtime/experiment/checkpoint.ts', import.meta.url));
      const script = `
      process.on('SIGXFSZ', () => {});
      import { saveCheckpoint } from ${JSON.stringify(module)};
      const weight = { dtype: 'float32', shape: [250_000], data: new Float32Array(250_000) };
      const states = new Map([['c1', new Map([['weight', weight]])]]);
      const position = { records: [], running: {} };
      await saveCheckpoint(${JSON.stringify(path)}, { position, states }, '').catch(({ message }) => console.log(message));
    `;
      const shell = ['-c', 'ulimit -f 200; exec "$@"', 'sh'];
      const node = [process.execPath, '--import', 'tsx', '--input-type=module', '--eval', script];
      const env = { ...process.env, TSX_DISABLE_CACHE: '1' };
      const { stdout } = await promisify(execFile)('sh', [...shell, ...node], { env });
      expect(stdout).toMatch(/^cannot write .*: the file is larger than this system allows; .*\n$/);
      expect(stdout).toContain(path);
      expect(bits((await load(path, hash))!)).toEqual(bits(sorted(checkpoint)));
      expect(await readdir(join(folder, 'checkpoint'))).toEqual(['state.safetensors']);
    },
  );

  it('says in one line that a part of the path is a file', async () => {
    await writeFile(join(folder, 'checkpoint'), 'kept');
    await expect(saveCheckpoint(path, checkpoint, hash)).rejects.toThrow(
      new Error(
        `cannot make the folder ${join(folder, 'checkpoint')}: it exists already; remove it or choose another name`,
      ),
    );
  });
});

describe('loadCheckpoint', () => {
  it('gives null when there is none yet, with or without its folder', async () => {
    expect(await load(path, hash)).toBeNull();
    await mkdir(join(folder, 'checkpoint'));
    expect(await load(path, hash)).toBeNull();
  });

  it('refuses a folder of that name', async () => {
    await mkdir(path, { recursive: true });
    expect(await refusal()).toBe(`cannot read ${path}: it is a folder, not a file; check the path`);
  });

  it('refuses a file that is cut off, wherever', async () => {
    await saveCheckpoint(path, checkpoint, hash);
    const whole = await readFile(path);
    const cuts = Array.from({ length: whole.length }, (_, at) => at).filter(
      (at) => at < 20 || at % 23 === 0 || at > whole.length - 90,
    );
    for (const at of cuts) {
      await writeFile(path, whole.subarray(0, at));
      expect(await refusal(), `cut at ${at}`).toContain('not a valid safetensors file');
    }
  });

  it('refuses a file that goes on after its end', async () => {
    await saveCheckpoint(path, checkpoint, hash);
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(5)]));
    expect(await refusal()).toContain('5 trailing bytes');
  });

  it('refuses random bytes of any length', async () => {
    const random = stream(5, 'bytes');
    await saveCheckpoint(path, checkpoint, hash);
    for (const length of [1, 7, 8, 9, 100, 5000]) {
      await writeFile(
        path,
        Uint8Array.from({ length }, () => random.below(256)),
      );
      expect(await refusal(), `${length} bytes`).toContain('not a valid safetensors file');
    }
  });

  it('never fails in any other way, whichever byte of the header is wrong', async () => {
    await saveCheckpoint(path, checkpoint, hash);
    const whole = await readFile(path);
    const headerEnd = 8 + Number(whole.readBigUInt64LE());
    const random = stream(6, 'header');
    let refused = 0;
    for (let at = 0; at < headerEnd; at += 3) {
      const byte = random.below(256);
      await writeFile(path, whole.with(at, byte));
      const problem = await load(path, hash).then(
        () => null,
        (error: unknown) => error,
      );
      if (problem === null) continue; // a digit of a loss, a letter of a name, white space
      refused++;
      expect(problem, `byte ${at} is ${byte}`).toBeInstanceOf(InputError);
      expect((problem as Error).message.startsWith(path), `byte ${at} is ${byte}`).toBe(true);
    }
    expect(refused).toBeGreaterThan(headerEnd / 6);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['of another program', {}, 'is not a checkpoint of sparring (format none)'],
    ['of another version', { format: 'sparring-checkpoint-2' }, '(format sparring-checkpoint-2)'],
  ])('refuses a safetensors file %s', async (_, metadata, problem) => {
    await mkdir(join(folder, 'checkpoint'));
    const weights = new Map([['layer.0.weight', float32([2], 1, 2)]]);
    await writeFile(path, encodeSafetensors(weights, { ...metadata }));
    expect(await refusal()).toContain(problem);
  });

  it('refuses a checkpoint of another configuration', async () => {
    await saveCheckpoint(path, checkpoint, 'b'.repeat(64));
    expect(await refusal()).toBe(
      `${path}: belongs to a run with another config.json; restore the original config.json`,
    );
  });

  const position = checkpoint.position;
  it.each<[string, unknown]>([
    ['no JSON', '{"records":['],
    ['empty', ''],
    ['null', 'null'],
    ['a list', []],
    ['without records', { running: {} }],
    ['without the unfinished epoch', { records: [] }],
    ['with an unknown field', { ...position, step: 3 }],
    ['with an unknown network', { ...position, running: { c3: { steps: 1, loss: 1, accuracy: 1 } } }],
    ['with a fraction of a step', { ...position, running: { c1: { steps: 0.5, loss: 1, accuracy: 1 } } }],
    [
      'with a loss that is no number',
      { ...position, running: { c1: { steps: 1, loss: null, accuracy: 1 } } },
    ],
    ['with epoch 0', { ...position, records: [{ ...record, epoch: 0 }] }],
    ['with an unknown phase', { ...position, records: [{ ...record, phase: 'warm-up' }] }],
    ['with a record without scores', { ...position, records: [{ ...record, c2: undefined }] }],
  ])('refuses a position that is %s', async (_, broken) => {
    await saveWith({ position: typeof broken === 'string' ? broken : JSON.stringify(broken) });
    expect(await refusal()).toBe(`${path}: its position is corrupt; remove it to start again`);
  });

  it.each(['{', '{}', '{"c1":{"clean":[[1,2]],"attacked":[[1]]}}'])(
    'rejects confusion matrices that are %s',
    async (confusions) => {
      await saveWith({ confusions });
      expect(await refusal()).toBe(`${path}: its confusion matrices are corrupt; remove it to start again`);
    },
  );

  it.each(['c1', 'c2', 'attacker'] as const)(
    'refuses a checkpoint that has lost the state of %s',
    async (network) => {
      const states = new Map(checkpoint.states);
      states.delete(network);
      await saveCheckpoint(path, { ...checkpoint, states }, hash);
      expect(await refusal()).toBe(`${path}: has no state of ${network}; remove it to start again`);
    },
  );
});

/** A file has its tensors in the order of their names. */
function sorted({ position, states }: Checkpoint): Checkpoint {
  const byName = <T>(entries: Iterable<readonly [string, T]>) =>
    [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  const inOrder = byName(states).map(
    ([network, state]) => [network as 'c1', new Map(byName(state))] as const,
  );
  return { position, states: new Map(inOrder) };
}
