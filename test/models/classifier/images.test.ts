import { describe, expect, it } from 'vitest';
import type { Shape } from '../../../src/builder/index.ts';
import { imageInput } from '../../../src/models/classifier/images.ts';
import type { AdoptOptions } from '../../../src/models/classifier/options.ts';
import type { ModelDescription } from '../../../src/onnx/index.ts';

const model = (...inputs: readonly { name: string; element: string | null; shape: Shape | null }[]) =>
  ({ name: 'model', inputs }) as unknown as ModelDescription;
const of = (shape: Shape, options: AdoptOptions = {}, element = 'float32') =>
  imageInput(model({ name: 'x', element, shape }), options);

describe('an input that takes images', () => {
  type Case = readonly [
    shape: Shape,
    options: AdoptOptions,
    size: string,
    layout: string,
    batch: number | null,
  ];
  it.each<Case>([
    [['n', 3, 224, 200], {}, '3x224x200', 'nchw', null],
    [['n', 224, 200, 3], {}, '3x224x200', 'nhwc', null],
    [[1, 28, 28, 1], {}, '1x28x28', 'nhwc', 1],
    [[4, 1, 28, 28], {}, '1x28x28', 'nchw', 4],
    [['n', 3, 32, 3], {}, '3x32x3', 'nchw', null],
    [['n', 3, 32, 3], { layout: 'nhwc' }, '3x3x32', 'nhwc', null],
    [['n', 28, 28], {}, '1x28x28', 'nchw', null],
    [['n', 784], {}, '1x28x28', 'nchw', null],
    [['n', 784, 1], {}, '1x28x28', 'nchw', null],
    [['n', 3072], {}, '3x32x32', 'nchw', null],
    [['n', 96], { size: [4, 8] }, '3x4x8', 'nchw', null],
    [['n', 3, 'h', 'w'], { size: [7, 9] }, '3x7x9', 'nchw', null],
    [['n', 'c', 8, 8], { channels: 'grey' }, '1x8x8', 'nchw', null],
    [['n', 3, 8, 8], { channels: 'grey' }, '1x8x8', 'nchw', null],
  ])('%s %o', (shape, options, size, layout, batch) => {
    const { plan, image } = of(shape, options);
    expect(`${image.channels}x${image.height}x${image.width}`).toBe(size);
    expect(plan).toMatchObject({ layout, batch });
  });

  it.each<readonly [shape: Shape, says: RegExp]>([
    [['n', 784], /^images of 1x28x28 are assumed: the file takes 784 values$/],
    [['n', 3072], /^images of 3x32x32 in the order of nchw are assumed/],
    [['n', 3, 32, 3], /^layout nchw is assumed: the shape \[3,32,3\] does not say$/],
  ])('%s says what is assumed', (shape, says) => {
    expect(of(shape).notes).toEqual([expect.stringMatching(says)]);
  });

  it.each<readonly [shape: Shape, options: AdoptOptions, message: string]>([
    [
      ['n', 3, 'h', 'w'],
      {},
      'input x float32[n,3,h,w] leaves height and width open; give the size of images, such as 224x224',
    ],
    [['n', 'c', 'h', 'w'], {}, 'input x float32[n,c,h,w] leaves its channels open'],
    [['n', 3, 8, 8], { size: [9, 9] }, 'input x float32[n,3,8,8] takes 8x8 pixels, not 9x9'],
    [['n', 10], {}, 'input x float32[n,10] holds 10 values, which are no square image'],
    [
      ['n', 10],
      { size: [2, 2] },
      'input x float32[n,10] holds 10 values, which are not one or three channels of 2x2 pixels',
    ],
    [['n', 3, 2 ** 20, 32], {}, 'takes images of 3x1048576x32, more than the 67108864 numbers'],
    [['n'], {}, 'input x float32[n] must be [batch,channels,height,width]'],
    [['n', 1, 8, 8], { channels: 'bgr' }, 'input x has one channel, not bgr'],
    [['n', 3, 8, 8], { input: 'y' }, 'model has no input y; it has x float32[n,3,8,8]'],
  ])('%s %o is rejected', (shape, options, message) => {
    expect(() => of(shape, options)).toThrow(message);
  });

  it('is of a type that images can be', () => {
    expect(() => of(['n', 3, 8, 8], {}, 'string')).toThrow(
      'input x is of string; images can be float32, float16',
    );
  });

  it('is the only one', () => {
    const x = { name: 'x', element: 'float32', shape: ['n', 3, 8, 8] };
    const k = { name: 'k', element: 'bool', shape: [] };
    expect(() => imageInput(model(x, k), {})).toThrow(
      'model must have one input, the images; it has x float32[n,3,8,8], k bool[]; export it with the others inside',
    );
  });
});
