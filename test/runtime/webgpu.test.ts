import { describe, expect, it } from 'vitest';
import { bind, constant } from '../../src/builder/index.ts';
import { classifierGradientModel } from '../../src/models/classifier/gradient.ts';
import { attackerTrain, classifierInfer, classifierTrain } from '../../src/models/programs.ts';
import { batchAt, limit } from '../../src/runtime/data/source.ts';
import { loadDigits } from '../../src/runtime/experiment/digits.ts';
import { InferenceSession, OrtTensor } from '../../src/runtime/ort.ts';
import { initialState } from '../../src/runtime/session.ts';
import { apart, inNode, trainedClassifier } from '../support/curves.ts';
import { useSoftwareVulkan } from '../support/vulkan.ts';

const available = useSoftwareVulkan();
const batchSize = 4;
const settings = { batchSize, learningRate: 1e-3 };
const c = classifierTrain(settings);
const a = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });

const reason = available ? '' : ' (skipped: needs libvulkan1 and the SwiftShader of a Chromium package)';

describe.skipIf(!available)(`training on WebGPU in Node${reason}`, () => {
  // A from Adam's first step, where the sign of a gradient that is all rounding decides
  it.each([
    ['classifier', c, 4, 5e-4],
    ['attacker', a, 2, 1e-4],
  ] as const)(
    'the %s follows the CPU, wholly on the device',
    async (_name, program, steps, tolerance) => {
      const { train } = await loadDigits('mnist');
      const state = initialState(program.metadata, [1, program.metadata.name]);
      const frozen = await trainedClassifier(train);
      const part = { program, state, frozen, images: limit(train, steps * batchSize) };
      const expected = await inNode(part, 'cpu', 'cpu');
      const actual = await inNode(part, 'webgpu', 'webgpu');
      expect(actual.losses).toHaveLength(steps);
      expect(apart(actual.losses, expected.losses)).toBeLessThan(tolerance);
      expect([...actual.state.keys()]).toEqual([...expected.state.keys()]);
      const step = [...actual.state.keys()].find((name) => name.startsWith('adam/step/'));
      expect(actual.state.get(step!)!.data[0]).toBe(steps);
    },
    240_000,
  );

  it('the gradient of a classifier follows the CPU, wholly on the device', async () => {
    const weights = initialState(c.metadata, [1, 'c1']);
    const { graph, metadata } = classifierInfer();
    const bound = bind(
      graph,
      new Map(metadata.frozen.map(({ name }) => [name, constant(weights.get(name)!, name)] as const)),
    );
    const { test } = await loadDigits('mnist');
    const { image, label } = batchAt(test, [0, 1, 2, 3]);
    const feeds = {
      image: new OrtTensor('float32', image.data as Float32Array, image.shape),
      label: new OrtTensor('int32', label.data as Int32Array, label.shape),
    };
    const [expected, actual] = await Promise.all(
      (['cpu', 'webgpu'] as const).map(async (device) => {
        const session = await InferenceSession.create(classifierGradientModel(bound, device, 'gap'), {
          executionProviders: [device],
          ...(device === 'webgpu' && { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
        });
        const { gradient, loss } = await session.run(feeds);
        await session.release();
        return { gradient: gradient!.data as Float32Array, loss: loss!.data as Float32Array };
      }),
    );
    actual!.loss.forEach((loss, i) => expect(loss).toBeCloseTo(expected!.loss[i]!, 4));
    const largest = Math.max(...expected!.gradient.map(Math.abs));
    expect(largest).toBeGreaterThan(0);
    const apart = actual!.gradient.map((x, i) => Math.abs(x - expected!.gradient[i]!));
    expect(Math.max(...apart)).toBeLessThan(1e-5 * largest);
  });

  it.each(['mlp', 'lenet5', 'resnet'] as const)(
    'the gradient of %s finds all of its operators on the device',
    async (architecture) => {
      const { metadata } = classifierTrain({ ...settings, architecture });
      const weights = initialState(metadata, [1, 'c1']);
      const { graph, metadata: own } = classifierInfer(architecture);
      const bound = bind(
        graph,
        new Map(own.frozen.map(({ name }) => [name, constant(weights.get(name)!, name)] as const)),
      );
      // refuses to be made otherwise
      const session = await InferenceSession.create(classifierGradientModel(bound, 'webgpu', 'gap'), {
        executionProviders: ['webgpu'],
        extra: { session: { disable_cpu_ep_fallback: '1' } },
      });
      expect(session.outputNames).toContain('gradient');
      await session.release();
    },
  );
});
