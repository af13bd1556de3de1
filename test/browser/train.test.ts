import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { encodeProgram, lower, type Program } from '../../src/builder/index.ts';
import { attackerTrain, classifierTrain } from '../../src/models/programs.ts';
import { batchAt } from '../../src/runtime/batches.ts';
import { limit, loadDataset, type Split } from '../../src/runtime/datasets/index.ts';
import { initialState, openTraining } from '../../src/runtime/session.ts';
import { chromiumPath, openPage } from '../support/browser.ts';

const batchSize = 8;
const settings = { batchSize, learningRate: 1e-3 };
const c = classifierTrain(settings);
const a = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });

/** Losses in Node on the CPU: what the browser is compared with. */
async function inNode(program: Program, split: Split, target: 'plain' | 'cpu'): Promise<readonly number[]> {
  const bytes = encodeProgram({ ...program, graph: lower(program.graph, target) });
  const { metadata } = program;
  const state = initialState(metadata, [1, metadata.name]);
  const frozen = initialState(c.metadata, [1, 'c1']);
  const training = await openTraining({ bytes, metadata }, state, frozen, { device: 'cpu', threads: 1 });
  const losses: number[] = [];
  for (let start = 0; start < split.count; start += batchSize) {
    const indices = Array.from({ length: batchSize }, (_, i) => start + i);
    losses.push((await training.step({ ...batchAt(split, indices) }))['loss']!);
  }
  await training.close();
  return losses;
}

const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

describe.skipIf(!chromiumPath)(`training in Chromium${reason}`, () => {
  let page: Page;
  let close: () => Promise<void>;
  let split: Split;

  beforeAll(async () => {
    split = (await loadDataset('mnist')).train;
    const files = new Map<string, Uint8Array>();
    for (const program of [c, a]) {
      for (const device of ['cpu', 'webgpu'] as const) {
        const bytes = encodeProgram({ ...program, graph: lower(program.graph, device) });
        files.set(`${program.metadata.name}-${device}.onnx`, bytes);
      }
    }
    ({ page, close } = await openPage(files));
  }, 120_000);
  afterAll(() => close?.());

  // Float32 sums in another order, which training amplifies step by step. Measured: 1e-6 (WASM) and 6e-4 (WebGPU) for C,
  // 1.4e-5 and 2e-7 for A.
  it.each([
    ['classifier', 'WASM', 30, 1e-4],
    ['classifier', 'WebGPU', 30, 2e-3],
    ['attacker', 'WASM', 4, 1e-4],
    ['attacker', 'WebGPU', 2, 1e-4],
  ] as const)(
    'the %s trains on %s as in Node, %d steps within %d',
    async (name, provider, steps, tolerance) => {
      const program = name === 'attacker' ? a : c;
      const device = provider === 'WASM' ? ('cpu' as const) : ('webgpu' as const);
      const part = limit(split, steps * batchSize);
      const job = {
        metadata: program.metadata,
        frozen: program === a ? c.metadata : null,
        device,
        steps,
        images: Array.from(part.images),
        labels: Array.from(part.labels),
      };
      const losses = await page.evaluate((own) => window.sparring(own), job);
      const expected = await inNode(program, part, 'cpu');
      expect(losses).toHaveLength(steps);
      losses.forEach((loss, i) =>
        expect(Math.abs(loss - expected[i]!), `step ${i + 1}`).toBeLessThan(tolerance),
      );
    },
    300_000,
  );
});
