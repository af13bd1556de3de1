import { describe, expect, it } from 'vitest';
import { constant, input, matmul, quantizeWeights } from '../../src/builder/index.ts';
import { encode } from '../../src/onnx/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { between, drawn, evaluateGraph, graphOf, numbers } from '../support/run.ts';

const random = stream(1, 'quantize');
const image = input('image', 'float32', [2, 100]);
const weight = drawn('float32', [100, 60], between(random, -0.5, 0.5));
const graph = graphOf({ y: matmul(image, constant(weight, 'weight')) });

describe('quantizeWeights', () => {
  it('gives what the weights give, rounded to the 127th part of the largest of a column', async () => {
    const feeds = { image: drawn('float32', [2, 100], between(random, 0, 1)) };
    const { y } = await evaluateGraph(graph, feeds);
    const { y: rounded } = await evaluateGraph(quantizeWeights(graph), feeds);
    // 100 products of a number below 1 with an error below half a step
    expect(rounded!).toBeAllClose(y!, { atol: (100 * 0.5) / 127 / 2 });
    expect(numbers(rounded!)).not.toEqual(numbers(y!));
  });

  it('stores a byte an element', () => {
    const [before, after] = [encode(graph).length, encode(quantizeWeights(graph)).length];
    expect(before - after).toBeGreaterThan(3 * 6000 - 60 * 4 - 500);
  });

  it('leaves small tensors as they are, and columns of zeros zero', async () => {
    const zeros = constant({ dtype: 'float32', shape: [100, 60], data: new Float32Array(6000) });
    const small = constant(drawn('float32', [60, 2], between(random, -1, 1)), 'small');
    const exact = graphOf({ y: matmul(matmul(image, zeros), small) });
    const feeds = { image: drawn('float32', [2, 100], between(random, 0, 1)) };
    const { y } = await evaluateGraph(quantizeWeights(exact), feeds);
    expect(numbers(y!)).toEqual([0, 0, 0, 0]);
  });
});
