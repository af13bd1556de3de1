import { describe, expect, it } from 'vitest';
import { hardenIdentity, hardenOn, hardenPlan, type HardenOptions } from '../../src/api/harden.ts';
import { loadClassifier, type LoadOptions } from '../../src/api/load.ts';
import { node } from '../../src/api/node.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { fileWeights } from '../../src/onnx/index.ts';
import { limit, type ImageSource } from '../../src/runtime/data/source.ts';
import { InputError } from '../../src/runtime/errors.ts';
import { loadDigits } from '../../src/runtime/experiment/digits.ts';
import type { HardenCheckpoint, HardenProgress } from '../../src/runtime/training/harden.ts';
import { digits } from '../support/examples.ts';
import { quantisedMean } from '../support/quantised.ts';
import { trainable, trainedNames } from '../support/trainable.ts';
import { traps } from '../support/traps.ts';

const { train } = await loadDigits('mnist');
const some = limit(train, 500);
const options: HardenOptions = {
  eps: 0.02,
  epochs: 2,
  batchSize: 50,
  validation: 100,
  threads: 1,
  learningRate: 0.02,
  schedule: 'constant',
  attack: { steps: 2, stepSize: 0.5 },
  reportEvery: 0,
};

const harden = (more: Partial<HardenOptions> = {}, source: ImageSource = some) => {
  const { bytes, external } = trainable('outside');
  return hardenOn(node, bytes, source, { ...options, reading: { external }, ...more });
};

const numbers = (bytes: Uint8Array, external: Readonly<Record<string, Uint8Array>>) =>
  new Map(fileWeights(bytes, (name) => external[name]!).map(({ name, data }) => [name, data]));

describe('a hardened classifier', () => {
  it('is the same file with other weights, and says how it was trained', async () => {
    const before = trainable('outside');
    const hardened = await harden({ average: 0.5, rename: () => 'robust.data' });
    const [was, is] = [decodeModel(before.bytes), decodeModel(hardened.model)];
    expect(is.graph!.input).toEqual(was.graph!.input);
    expect(is.graph!.output).toEqual(was.graph!.output);
    expect(is.graph!.node).toEqual(was.graph!.node);
    expect([is.irVersion, is.opsetImport]).toEqual([was.irVersion, was.opsetImport]);
    const entries = new Map(is.metadataProps.map(({ key, value }) => [key, value]));
    expect(entries.get('author')).toBe('somebody');
    expect(JSON.parse(entries.get('sparring.hardened')!)).toMatchObject({
      method: 'pgd',
      norm: 'linf',
      eps: 0.02,
      batchNorm: 'statistics frozen',
    });
    const [old, now] = [numbers(before.bytes, before.external), numbers(hardened.model, hardened.external)];
    const changed = [...now].filter(([name, data]) => !data.every((x, i) => x === old.get(name)![i]));
    expect(changed.map(([name]) => name)).toEqual(trainedNames);
    expect(hardened.apart).toBeLessThan(0.02);
    const [first, last] = [hardened.records[0]!, hardened.records.at(-1)!];
    expect(last.train.loss).toBeLessThan(first.train.loss);
    expect(last.robust).toBeGreaterThan(0.3);
  });

  it.for(['fast', 'trades'] as const)('learns by %s', async (method) => {
    const judged: string[] = [];
    const onProgress = (event: HardenProgress): void => {
      if (event.kind === 'judge') judged.push(`${event.epoch}: ${event.done} of ${event.total}`);
    };
    const { records } = await harden({ method, onProgress });
    expect(judged).toEqual(['1: 100 of 100', '2: 100 of 100']);
    expect(records[1]!.train.loss).toBeLessThan(records[0]!.train.loss);
    expect(records[1]!.clean).toBeGreaterThan(0.3);
  });

  it('has the same bits when the data is streamed', async () => {
    const { stored: _, ...streamed } = some;
    const [one, other] = [await harden(), await harden({}, streamed)];
    expect(Buffer.from(other.external['weights.bin']!)).toEqual(Buffer.from(one.external['weights.bin']!));
  });
});

it.for([1, 8, 9, 10, 15])(
  'has the same bits when it is interrupted after event %d and resumed',
  async (at) => {
    const whole = await harden();
    const controller = new AbortController();
    let events = 0;
    let last: HardenCheckpoint | undefined;
    const keep = (event: HardenProgress): void => {
      if (++events === at) controller.abort(new Error('enough'));
      if (event.kind === 'interrupted') last = event.checkpoint;
    };
    await expect(harden({ signal: controller.signal, onProgress: keep })).rejects.toThrow('enough');
    const resumed = await harden({ from: last! });
    expect(resumed.records).toEqual(whole.records);
    expect(Buffer.from(resumed.external['weights.bin']!)).toEqual(
      Buffer.from(whole.external['weights.bin']!),
    );
  },
);

it.for<readonly [Partial<HardenOptions>, string]>([
  [{ eps: 0 }, 'eps must be above 0, got 0'],
  [{ eps: 3 }, 'eps must be at most 1 for linf, got 3'],
  [{ epochs: 0 }, 'epochs must be an integer from 1 on, got 0'],
  [{ average: 1 }, 'average must be from 0 to below 1, got 1'],
  [{ warmup: 3 }, 'warmup must be from 0 to the number of epochs, got 3'],
  [{ norm: 'l1' as never }, 'norm must be linf or l2, got l1'],
  [{ method: 'pdg' as never }, 'method must be one of fast, pgd, trades, got pdg'],
  [{ device: 'gpu' as never }, 'device must be one of cpu, cuda, webgpu, got gpu'],
  [{ seed: 1.5 }, 'seed must be an integer from 0 on, got 1.5'],
  [{ seed: NaN }, 'seed must be an integer from 0 on, got NaN'],
  [{ threads: 0 }, 'threads must be an integer from 1 on, got 0'],
  [{ attack: { stepSize: Infinity } }, 'stepSize of the attack must be a number above 0, got Infinity'],
  [
    { attack: { start: undefined as never } },
    'start of the attack must be a number from 0 on, got undefined',
  ],
  [{ attack: { beta: Infinity } }, 'beta must be a number from 0 on, got Infinity'],
  [{ attack: { steps: 0 } }, 'steps of the attack must be an integer from 1 on, got 0'],
  [
    { validation: 480 },
    'mnist: 500 training images, 480 of them held out, are no batch of 50; take a smaller batch size or more images',
  ],
])('rejects %j', async ([more, message]) => {
  const rejected = harden(more);
  await expect(rejected).rejects.toThrow(message);
  await expect(rejected).rejects.toBeInstanceOf(InputError);
});

it('rejects images of other classes', async () => {
  const eleven = { ...some, classes: Array.from({ length: 11 }, (_, i) => String(i)) };
  await expect(harden({}, eleven)).rejects.toThrow('it has 10 classes, mnist has 11');
});

it('ties a checkpoint to how the classifier is read, not to its file alone', async () => {
  const { bytes, external } = trainable('outside');
  const hashed = async (reading: LoadOptions): Promise<string> =>
    JSON.stringify(
      hardenIdentity(
        await loadClassifier(node, bytes, { external, ...reading }),
        some,
        hardenPlan(options, some),
      ),
    );
  const plain = await hashed({});
  expect(await hashed({})).toBe(plain);
  const others = await Promise.all([
    hashed({ mean: [0.1307] }),
    hashed({ std: [0.5] }),
    hashed({ scale: '0..255' }),
  ]);
  expect(new Set([plain, ...others]).size).toBe(4);
});

it('says in one sentence why a file without a gradient, or a quantised one, cannot be trained', async () => {
  const { known } = await digits(100);
  const on = (bytes: Uint8Array) => hardenOn(node, bytes, some, options);
  await expect(on(traps.rounded(known))).rejects.toThrow(
    'the model: it cannot be trained: the gradient is zero by construction (it ends at Round)',
  );
  await expect(on(quantisedMean(known, 'MatMulInteger'))).rejects.toThrow(
    /^the model: it cannot be trained: \S.*computes in integers, which have no gradient/,
  );
  await expect(on(quantisedMean(known, 'QDQ'))).rejects.toThrow(
    /^the model: it cannot be trained: its weights are quantised \(\w+\); harden the float model$/,
  );
});
