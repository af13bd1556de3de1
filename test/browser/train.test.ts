import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attackerTrain, classifierTrain } from '../../src/models/programs.ts';
import { limit, type StoredSource } from '../../src/runtime/data/source.ts';
import { loadDigits } from '../../src/runtime/experiment/digits.ts';
import { initialState } from '../../src/runtime/session.ts';
import type { Tensors } from '../../src/runtime/tensor.ts';
import { chromiumPath } from '../support/browser.ts';
import { apart, inNode, openBrowser, trainedClassifier, type Browser } from '../support/curves.ts';

const batchSize = 8;
const settings = { batchSize, learningRate: 1e-3 };
const c = classifierTrain(settings);
const a = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });

const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

describe.skipIf(!chromiumPath)(`training in Chromium${reason}`, () => {
  let browser: Browser;
  let split: StoredSource;
  let target: Tensors;
  /** Steps on the CPU before the attacker's curves begin. */
  const warmUp = 10;
  let begun: Tensors;

  beforeAll(async () => {
    split = (await loadDigits('mnist')).train;
    target = await trainedClassifier(split);
    const images = limit(split, warmUp * batchSize);
    const fresh = { program: a, state: initialState(a.metadata, [1, 'attacker']), frozen: target, images };
    begun = (await inNode(fresh, 'cpu', 'cpu')).state;
    browser = await openBrowser();
  }, 120_000);
  afterAll(() => browser?.close());

  // Float32 sums in another order, which training amplifies step by step. Most of all in Adam's first steps: they move every
  // parameter by the learning rate, those too whose gradient is rounding only. The attacker has so many that its curves
  // begin some steps later, with Adam's moments; 30 steps of scripts/loss-curves.ts are then at most 1.2e-6 apart.
  it.each([
    ['classifier', 'WASM', 'cpu', 30, 1e-4],
    ['classifier', 'WebGPU', 'webgpu', 8, 2e-4],
    ['classifier', 'WebGPU, in the forms for software,', 'software', 8, 2e-4],
    ['attacker', 'WASM', 'cpu', 4, 1e-5],
    ['attacker', 'WebGPU', 'webgpu', 2, 1e-5],
    ['attacker', 'WebGPU, in the forms for software,', 'software', 2, 1e-5],
  ] as const)(
    'the %s trains on %s as in Node',
    async (name, _, on, steps, tolerance) => {
      const program = name === 'attacker' ? a : c;
      const state = name === 'attacker' ? begun : initialState(program.metadata, [1, program.metadata.name]);
      const part = { program, state, frozen: target, images: limit(split, steps * batchSize) };
      const losses = await browser.losses(part, on);
      const expected = (await inNode(part, 'cpu', 'cpu')).losses;
      expect(losses).toHaveLength(steps);
      expect(apart(losses, expected)).toBeLessThan(tolerance);
    },
    300_000,
  );
});
