import { describe, expect, it } from 'vitest';
import { checkWebGpu, findWebGpu, noteOn } from '../../src/web/engine/webgpu.ts';

const never = new Promise<never>(() => {});
const device = () => Promise.resolve({ destroy() {} });
const gpu = (adapter: object | null) => ({
  requestAdapter: () => Promise.resolve(adapter && { requestDevice: device, ...adapter }),
});

describe('findWebGpu', () => {
  it.each([
    ['a GPU', gpu({ info: { isFallbackAdapter: false } }), 'hardware'],
    ['a GPU whose adapter says nothing of itself', gpu({}), 'hardware'],
    ['one in software', gpu({ info: { isFallbackAdapter: true } }), 'software'],
    ['one in software, as older browsers say it', gpu({ isFallbackAdapter: true }), 'software'],
    ['no adapter', gpu(null), 'none'],
    ['an error', { requestAdapter: () => Promise.reject(new Error('no')) }, 'none'],
    ['no answer', { requestAdapter: () => never }, 'silent'],
  ])('finds %s', async (_, own, expected) => {
    expect(await findWebGpu(own, 20)).toBe(expected);
  });
});

describe('checkWebGpu', () => {
  it('is content with a device', async () => {
    await expect(checkWebGpu(gpu({}), 20)).resolves.toBeUndefined();
  });

  it.each([
    ['no adapter', gpu(null), 'the browser has no GPU for a worker'],
    ['an adapter that never comes', { requestAdapter: () => never }, 'the browser names no GPU'],
    ['a device that never comes', gpu({ requestDevice: () => never }), 'the GPU gives no device'],
    ['a refusal', gpu({ requestDevice: () => Promise.reject(new Error('lost')) }), 'lost'],
  ])('says what is wrong with %s', async (_, own, message) => {
    await expect(checkWebGpu(own, 20)).rejects.toThrow(message);
  });
});

describe('noteOn', () => {
  it.each([
    ['hardware', null, null, /^nothing$/],
    ['software', null, null, /^No GPU .* WASM computes, which is faster/],
    ['software', 'webgpu', null, /^No GPU .* the processor does its work/],
    ['software', 'wasm', null, /^nothing$/],
    ['none', null, null, /^nothing$/],
    ['none', 'webgpu', null, /has no WebGPU/],
    ['silent', null, null, /did not answer/],
    ['hardware', null, 'the device was lost', /does not work here: the device was lost/],
  ] as const)('of %s with the wish %s and the failure %s', (found, wish, broken, said) => {
    expect(noteOn(found, wish, broken) ?? 'nothing').toMatch(said);
  });
});
