import { describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { propertyClassifier } from '../../../src/models/classifier/property.ts';
import { satisfaction, type Region } from '../../../src/runtime/audit/vnnlib.ts';
import { stream } from '../../../src/runtime/random.ts';
import { between, drawn, evaluateGraph, numbers } from '../../support/run.ts';

const random = stream(3, 'property');

/** Rows of [2,4,3] (height, width, colours): outputs that depend on each value in a way of its own. */
function network(batch: b.Dim): b.Graph {
  const x = b.input('x', 'float32', [batch, 2, 4, 3]);
  const weight = b.constant(drawn('float32', [24, 3], between(stream(1, 'weight'), -1, 1)));
  return {
    name: 'net',
    inputs: [x],
    outputs: { y: b.relu(b.matmul(b.reshape(x, [batch === 1 ? 1 : -1, 24]), weight)) },
  };
}

const region: Region = {
  low: Float64Array.from({ length: 24 }, between(random, -1, 0)),
  high: Float64Array.from({ length: 24 }, between(random, 0, 2)),
  anyOf: [
    [{ terms: [[0, 1]], bound: 0.5 }],
    [
      {
        terms: [
          [1, -1],
          [2, 1],
        ],
        bound: 0,
      },
      { terms: [[2, 2]], bound: 1 },
    ],
  ],
};

describe('a region of a property as a classifier', () => {
  it.each(['batch', 1])('says by how much each conjunction is met, for a batch of %s', async (batch) => {
    const { graph, image, classes, order } = propertyClassifier(network(batch), region);
    expect({ image, classes }).toEqual({ image: { channels: 3, height: 2, width: 4 }, classes: 3 });
    const places = drawn('float32', [5, 3, 2, 4], between(random, 0, 1));
    const logits = numbers((await evaluateGraph(graph, { image: places }))['logits']!);
    for (let row = 0; row < 5; row++) {
      const x = new Float32Array(24);
      order.forEach((at, i) => {
        x[at] = region.low[at]! + Number(places.data[24 * row + i]) * (region.high[at]! - region.low[at]!);
      });
      const input = b.tensorOf('float32', [1, 2, 4, 3], [...x]);
      const y = numbers((await evaluateGraph(network('batch'), { x: input }))['y']!);
      const met = region.anyOf.map((all) => satisfaction([all], y));
      expect(logits[3 * row]).toBe(0);
      met.forEach((slack, k) => expect(logits[3 * row + 1 + k]).toBeCloseTo(slack, 4));
    }
  });

  const places = drawn('float32', [5, 3, 2, 4], between(random, 0, 1));
  const logitsOf = async (graph: b.Graph) =>
    numbers((await evaluateGraph(b.lower(graph, 'plain'), { image: places }))['logits']!);

  it('says softly how far the conditions of a conjunction are from being met, all of them', async () => {
    // each condition alone, in double precision
    const conditions = region.anyOf[1]!;
    const alone = await logitsOf(propertyClassifier(network('batch'), { ...region, anyOf: conditions.map((one) => [one]) }).graph); // prettier-ignore
    const { graph, soft } = propertyClassifier(network('batch'), region);
    const [exact, softly] = [await logitsOf(graph), await logitsOf(soft!)];
    for (let row = 0; row < 5; row++) {
      const slack = [1, 2].map((k) => alone[3 * row + k]!);
      const t = Math.abs(slack[0]! - slack[1]!) / 4;
      const expected = -t * Math.log(slack.reduce((sum, each) => sum + Math.exp(-each / t), 0));
      // a single condition is met by as much as it is
      expect(softly[3 * row + 1]).toBeCloseTo(exact[3 * row + 1]!, 5);
      expect(softly[3 * row + 2]).toBeCloseTo(expected, 4);
      expect(softly[3 * row + 2]).toBeLessThan(exact[3 * row + 2]!);
    }
  });

  it('has the same soft gradient, whatever the scale of the outputs', async () => {
    const slopeOf = async (scale: number) => {
      const plain = network('batch');
      const scaled = { ...plain, outputs: { y: b.mul(plain.outputs['y']!, scale) } };
      const anyOf = region.anyOf.map((all) => all.map((one) => ({ ...one, bound: scale * one.bound })));
      const { soft } = propertyClassifier(scaled, { ...region, anyOf });
      const [gradient] = b.grad(b.reduceSum(soft!.outputs['logits']!), soft!.inputs);
      const graph = { name: 'slope', inputs: soft!.inputs, outputs: { gradient: gradient! } };
      return numbers((await evaluateGraph(b.lower(graph, 'plain'), { image: places }))['gradient']!);
    };
    const [one, thousand] = [await slopeOf(1), await slopeOf(1000)];
    expect(one.some((slope) => slope !== 0)).toBe(true);
    one.forEach((slope, i) => expect(thousand[i]! / 1000).toBeCloseTo(slope, 4));
  });

  it('has no soft form where each conjunction is one condition', () => {
    const { soft } = propertyClassifier(network('batch'), { ...region, anyOf: [region.anyOf[0]!] });
    expect(soft).toBeNull();
  });

  it.each([
    [{ ...region, low: region.low.slice(1) }, 'net has 24 inputs, the property 23'],
    [
      { ...region, anyOf: [[{ terms: [[3, 1]] as const, bound: 0 }]] },
      'the network has 3 outputs, the property asks for Y_3',
    ],
  ])('is refused in one line: %#', (wrong, message) => {
    expect(() => propertyClassifier(network('batch'), wrong)).toThrow(message);
  });
});
