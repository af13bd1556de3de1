import { describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { saidBeside } from '../../../src/models/classifier/beside.ts';
import { openingOf } from '../../../src/models/classifier/opening.ts';
import type { AdoptOptions } from '../../../src/models/classifier/options.ts';
import { preprocessing } from '../../../src/models/classifier/preprocess.ts';
import '../../support/run.ts';

const perChannel = (values: readonly number[]): b.Value =>
  b.constant(b.tensorOf('float32', [1, 3, 1, 1], values));
const graph = (f: (x: b.Value) => b.Value): b.Graph => {
  const x = b.input('x', 'float32', ['n', 3, 4, 4]);
  return { name: 'g', inputs: [x], outputs: { y: b.relu(f(x)) } };
};
const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];

describe('what a graph begins with', () => {
  type Case = readonly [
    what: string,
    f: (x: b.Value) => b.Value,
    a: readonly number[] | null,
    shift: readonly number[],
  ];
  it.each<Case>([
    ['nothing', (x) => x, null, []],
    ['a layer', (x) => b.mul(b.relu(x), 2), null, []],
    ['a division', (x) => b.div(x, 4), [0.25], [0]],
    ['a product, less 1, transposed', (x) => b.sub(b.mul(b.transpose(x, [0, 2, 3, 1]), 2), 1), [2], [-1]],
    [
      'a mean and a std',
      (x) => b.div(b.sub(x, perChannel([1, 2, 3])), perChannel([2, 4, 8])),
      [0.5, 0.25, 0.125],
      [-0.5, -0.5, -0.375],
    ],
    ['the image turned round', (x) => b.sub(1, x), [-1], [1]],
    ['a quantisation', (x) => b.mul(b.round(b.div(x, 0.5)), 0.5), null, []],
    ['two readers', (x) => b.add(b.mul(x, 2), b.relu(x)), null, []],
  ])('%s', (_, f, a, shift) => {
    const found = openingOf(graph(f));
    expect(found === null).toBe(a === null);
    expect(found?.a ?? []).toBeAllClose(a ?? [], { atol: 1e-6 });
    expect(found?.b ?? []).toBeAllClose(shift, { atol: 1e-6 });
  });
});

describe('pixels are', () => {
  type Case = readonly [
    what: string,
    options: AdoptOptions,
    opening: Parameters<typeof preprocessing>[0]['opening'],
    preprocessor: object | null,
    scale: readonly number[],
    shift: readonly number[],
    text: RegExp,
  ];
  const imageNet = {
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
  it.each<Case>([
    ['0..1 when nothing says otherwise', {}, null, null, [1, 1, 1], [0, 0, 0], /^pixels 0\.\.1 \(assumed/],
    [
      'as the options say',
      { scale: '0..255', mean: [127.5], std: [51] },
      null,
      imageNet,
      [5, 5, 5],
      [-2.5, -2.5, -2.5],
      /options/,
    ],
    [
      'of the files beside it',
      {},
      null,
      imageNet,
      std.map((s) => 1 / s),
      mean.map((m, i) => -m / std[i]!),
      /preprocessor_config/,
    ],
    [
      'bytes, less what Keras takes',
      {},
      null,
      { rescale_factor: 1 / 127.5, do_normalize: false },
      [2, 2, 2],
      [-1, -1, -1],
      /-1\.\.1/,
    ],
    [
      'bytes where the graph divides them',
      {},
      { a: [1 / 255], b: [0] },
      null,
      [255, 255, 255],
      [0, 0, 0],
      /begins with/,
    ],
    [
      'bytes where the graph takes 123 from them',
      {},
      { a: [1], b: [-123] },
      null,
      [255, 255, 255],
      [0, 0, 0],
      /begins with/,
    ],
    [
      '0..1 where the graph normalises them',
      {},
      { a: std.map((s) => 1 / s), b: mean.map((m, i) => -m / std[i]!) },
      imageNet,
      [1, 1, 1],
      [0, 0, 0],
      /begins with/,
    ],
    [
      'of the files beside it where the graph begins with something else',
      {},
      { a: [0.7], b: [0.1] },
      imageNet,
      std.map((s) => 1 / s),
      mean.map((m, i) => -m / std[i]!),
      /preprocessor_config/,
    ],
  ])('%s', (_, options, opening, preprocessor, scale, shift, text) => {
    const found = preprocessing(
      { options, opening, beside: saidBeside({ preprocessor }) },
      { element: 'float32', channels: 3 },
    );
    expect(found.text).toMatch(text);
    expect(found.scale).toBeAllClose(scale, { atol: 1e-5 });
    expect(found.shift).toBeAllClose(shift, { atol: 1e-5 });
  });

  it('0..255 where the input holds bytes', () => {
    const nobody = { options: {}, opening: null, beside: null };
    expect(preprocessing(nobody, { element: 'uint8', channels: 1 }).scale).toEqual([255]);
  });

  it.each<readonly [options: AdoptOptions, message: string]>([
    [{ mean: [1, 2] }, 'mean has 2 numbers (1,2), must have 1 or 3 (as the options say)'],
    [{ std: [1, 0, 1] }, 'std must be above 0, got 0 (as the options say)'],
  ])('rejected: %o', (options, message) => {
    const how = { element: 'float32', channels: 3 } as const;
    expect(() => preprocessing({ options, opening: null, beside: null }, how)).toThrow(message);
  });
});

describe('files beside a model', () => {
  it('of timm', () => {
    const config = { pretrained_cfg: { mean, std, input_size: [3, 224, 256] }, label_names: ['a', 'b'] };
    expect(saidBeside({ config })).toEqual({
      source: 'config.json',
      scale: '0..1',
      mean,
      std,
      size: [224, 256],
      labels: ['a', 'b'],
    });
  });

  it('of transformers: two files say each its part', () => {
    const preprocessor = {
      do_rescale: true,
      image_mean: [0.5],
      image_std: [0.5],
      size: { height: 8, width: 9 },
    };
    const config = { id2label: { 1: 'b', 0: 'a' } };
    expect(saidBeside({ preprocessor, config })).toMatchObject({
      source: 'preprocessor_config.json',
      mean: [0.5],
      size: [8, 9],
      labels: ['a', 'b'],
    });
  });

  it.each([[{}], [{ config: 3, preprocessor: null }], [{ config: { id2label: 'x' } }]])(
    'that say nothing: %o',
    (beside) => {
      expect(saidBeside(beside)).toBeNull();
    },
  );
});
