import { describe, expect, it } from 'vitest';
import type { InputPlan, OutputPlan } from '../../../src/models/classifier/plans.ts';
import { fileInput, inBatches, logitsFrom, ownPorts } from '../../../src/runtime/audit/conversion.ts';
import { float32 } from '../../../src/runtime/tensor.ts';
import '../../support/run.ts';

const size = { channels: 3, height: 1, width: 2 };
// red 0.1 and 0.2, green 0.3 and 0.4, blue 0.5 and 0.6
const images = { data: Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), shape: [1, 3, 1, 2] as const };
const { input } = ownPorts(size);

describe('images become what a file takes:', () => {
  it.each<readonly [what: string, plan: Partial<InputPlan>, values: readonly number[]]>([
    ['as they are', {}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]],
    ['NHWC', { layout: 'nhwc', shape: [1, 2, 3] }, [0.1, 0.3, 0.5, 0.2, 0.4, 0.6]],
    ['BGR', { from: [2, 1, 0] }, [0.5, 0.6, 0.3, 0.4, 0.1, 0.2]],
    ['BGR in NHWC', { from: [2, 1, 0], layout: 'nhwc' }, [0.5, 0.3, 0.1, 0.6, 0.4, 0.2]],
    ['another unit a channel', { scale: [1, 2, 10], shift: [0, -1, 0.5] }, [0.1, 0.2, -0.4, -0.2, 5.5, 6.5]],
    ['flat', { shape: [6] }, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]],
  ])('%s', (_, plan, values) => {
    const { data, shape, dtype } = fileInput({ ...input, ...plan }, images);
    expect(dtype).toBe('float32');
    expect(shape).toEqual([1, ...(plan.shape ?? input.shape)]);
    expect(data).toBeAllClose(values, { atol: 1e-6 });
  });

  it('bytes, rounded and within 0..255', () => {
    const plan: InputPlan = { ...input, element: 'uint8', scale: [255, 255, 255] };
    const odd = { ...images, data: Float32Array.of(-0.1, 0, 0.5 / 255, 1.5 / 255, 1, 1.2) };
    expect(fileInput(plan, odd)).toMatchObject({ dtype: 'uint8', data: Uint8Array.of(0, 0, 0, 2, 255, 255) });
  });

  it('float16, as bits', () => {
    const { dtype, data } = fileInput(
      { ...input, element: 'float16' },
      { ...images, data: Float32Array.of(0, 1, 0.5, 0.25, 0, 1) },
    );
    expect(dtype).toBe('float16');
    expect(data).toEqual(Uint16Array.of(0, 0x3c00, 0x3800, 0x3400, 0, 0x3c00));
  });

  it('grey images, three times', () => {
    const grey = { data: Float32Array.of(0.1, 0.2), shape: [1, 1, 1, 2] as const };
    const { data } = fileInput({ ...input, from: [0, 0, 0] }, grey);
    expect([...(data as Float32Array)]).toEqual([...grey.data, ...grey.data, ...grey.data]);
  });
});

describe('a file gives', () => {
  it.each<readonly [form: OutputPlan['form'], values: readonly number[], logits: readonly number[]]>([
    ['logits', [-3, 4], [-3, 4]],
    ['probabilities', [0.25, 0.75], [Math.log(0.25), Math.log(0.75)]],
    ['probabilities', [0, 1], [-126 * Math.LN2, 0]],
    ['log-probabilities', [-Infinity, 0], [-126 * Math.LN2, 0]],
    ['sigmoid', [0.5, 0.9], [0, Math.log(9)]],
    ['sigmoid', [1, 0], [25 * Math.LN2, -126 * Math.LN2]],
  ])('%s %s', (form, values, logits) => {
    const plan = { name: 'y', form, single: false };
    const found = logitsFrom(plan, float32([1, 2], Float32Array.from(values)));
    expect(found.shape).toEqual([1, 2]);
    expect(found.data).toBeAllClose(logits, { atol: 1e-5 });
  });

  it('one number an image, which becomes two classes', () => {
    const plan = { name: 'y', form: 'logits', single: true } as const;
    const { data, shape } = logitsFrom(plan, float32([3, 1], Float32Array.of(-1, 2, NaN)));
    expect(shape).toEqual([3, 2]);
    expect(data).toEqual(Float32Array.of(0, -1, 0, 2, 0, NaN));
  });
});

describe('batches', () => {
  it.each<readonly [count: number, size: number | null, asked: readonly (readonly number[])[]]>([
    [3, null, [[0, 1, 2]]],
    [3, 1, [[0], [1], [2]]],
    [
      5,
      2,
      [
        [0, 1],
        [2, 3],
        [4, 4],
      ],
    ],
    [2, 4, [[0, 1, 0, 0]]],
  ])('%d images in batches of %s', async (count, batch, asked) => {
    const parts = await inBatches(count, batch, (places) => Promise.resolve(places));
    expect(parts.map(({ answer }) => answer)).toEqual(asked);
    expect(parts.reduce((sum, part) => sum + part.count, 0)).toBe(count);
  });
});
