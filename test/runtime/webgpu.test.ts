import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bind,
  constant,
  encode,
  encodeProgram,
  lower,
  readback,
  type Program,
} from '../../src/builder/index.ts';
import { attackStepModel } from '../../src/models/attacks.ts';
import { attackerTrain, classifierInfer, classifierTrain } from '../../src/models/programs.ts';
import { validRange } from '../../src/runtime/attack.ts';
import { batchAt } from '../../src/runtime/batches.ts';
import { loadDataset, type Split } from '../../src/runtime/datasets/index.ts';
import { InferenceSession, OrtTensor } from '../../src/runtime/ort.ts';
import { initialState, openTraining } from '../../src/runtime/session.ts';
import type { Tensors } from '../../src/runtime/tensor.ts';

/** SwiftShader, a Vulkan in software, as Debian's Chromium brings it; and Vulkan's loader. */
const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
const hasLoader = (): boolean => {
  try {
    return execFileSync('ldconfig', ['-p'], { encoding: 'utf8' }).includes('libvulkan.so.1');
  } catch {
    return false;
  }
};
const available = process.platform === 'linux' && existsSync(driver) && hasLoader();
// before the first WebGPU session of the process
if (available) Object.assign(process.env, { VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver });

const batchSize = 4;
const settings = { batchSize, learningRate: 1e-3 };
const c = classifierTrain(settings);
const a = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });

interface Curve {
  readonly losses: readonly number[];
  readonly state: Tensors;
}

/** Some steps of a program on a device, on real digits. Its sessions refuse to fall back to the CPU. */
async function curve(
  program: Program,
  split: Split,
  device: 'cpu' | 'webgpu',
  steps: number,
): Promise<Curve> {
  const { metadata } = program;
  const file = {
    bytes: encodeProgram({ ...program, graph: lower(program.graph, device) }),
    metadata,
    readback: encode(readback(program)),
  };
  const state = initialState(metadata, [1, metadata.name]);
  const frozen = initialState(c.metadata, [1, 'c1']);
  const training = await openTraining(file, state, frozen, { device, threads: 1 });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const indices = Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
    losses.push((await training.step({ ...batchAt(split, indices) }))['loss']!);
  }
  const after = await training.state();
  await training.close();
  return { losses, state: after };
}

const reason = available ? '' : ' (skipped: needs libvulkan1 and the SwiftShader of a Chromium package)';

describe.skipIf(!available)(`training on WebGPU in Node${reason}`, () => {
  // Measured over 4 steps: losses part by 3e-5 (C) and 1e-6 (A).
  it.each([
    ['classifier', c, 4, 5e-4],
    ['attacker', a, 2, 1e-4],
  ] as const)(
    'the %s follows the CPU, wholly on the device',
    async (_name, program, steps, tolerance) => {
      const { train } = await loadDataset('mnist');
      const expected = await curve(program, train, 'cpu', steps);
      const actual = await curve(program, train, 'webgpu', steps);
      actual.losses.forEach((loss, i) =>
        expect(Math.abs(loss - expected.losses[i]!), `step ${i + 1}`).toBeLessThan(tolerance),
      );
      expect([...actual.state.keys()]).toEqual([...expected.state.keys()]);
      const step = [...actual.state.keys()].find((name) => name.startsWith('adam/step/'));
      expect(actual.state.get(step!)!.data[0]).toBe(steps);
    },
    240_000,
  );

  it('an attack step follows the CPU, wholly on the device', async () => {
    const weights = initialState(c.metadata, [1, 'c1']);
    const { graph, metadata } = classifierInfer();
    const bound = bind(
      graph,
      new Map(metadata.frozen.map(({ name }) => [name, constant(weights.get(name)!, name)] as const)),
    );
    const { test } = await loadDataset('mnist');
    const { image, label } = batchAt(test, [0, 1, 2, 3]);
    const { low, high } = validRange(true);
    const scalars = { eps: 0.1, stepSize: 0.1, low, high };
    const feeds = {
      image: new OrtTensor('float32', image.data as Float32Array, image.shape),
      origin: new OrtTensor('float32', image.data as Float32Array, image.shape),
      label: new OrtTensor('int32', label.data as Int32Array, label.shape),
      ...Object.fromEntries(
        Object.entries(scalars).map(([name, value]) => [name, new OrtTensor('float32', [value], [])]),
      ),
    };
    const [expected, actual] = await Promise.all(
      (['cpu', 'webgpu'] as const).map(async (device) => {
        const session = await InferenceSession.create(attackStepModel(bound, device), {
          executionProviders: [device],
          ...(device === 'webgpu' && { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
        });
        const { next, loss } = await session.run(feeds);
        await session.release();
        return { next: next!.data as Float32Array, loss: loss!.data as Float32Array };
      }),
    );
    actual!.loss.forEach((loss, i) => expect(loss).toBeCloseTo(expected!.loss[i]!, 4));
    const other = actual!.next.filter((x, i) => Math.abs(x - expected!.next[i]!) > 1e-6);
    // pixels whose slope is lost in rounding
    expect(other.length).toBeLessThan(0.005 * actual!.next.length);
    expect(Math.max(...actual!.next.map((x, i) => Math.abs(x - Number(image.data[i]))))).toBeGreaterThan(
      0.09,
    );
  });
});
