import { describe, expect, test } from 'vitest';
import { labelsOf, sortFiles } from '../../../src/web/own/files.ts';
import { optionsOf, untold } from '../../../src/web/own/preparation.ts';

const file = (name: string, type = ''): File => new File([], name, { type });

describe('files that are dropped together', () => {
  test('are told apart by their names', () => {
    const [model, data, picture, photo, labels] = [
      file('net.ONNX'),
      file('net.onnx.data'),
      file('a.png', 'image/png'),
      file('b.JPEG'),
      file('classes.txt', 'text/plain'),
    ];
    expect(sortFiles([picture!, data!, model!, labels!, photo!])).toEqual({
      model,
      pictures: [picture, photo],
      labels,
      beside: [data],
    });
  });

  test('may be without a model', () => {
    expect(sortFiles([file('net.onnx.data')])).toMatchObject({ model: null, pictures: [], labels: null });
  });

  test('name classes line by line', () => {
    expect(labelsOf('cat\r\ndog\nbird house\n')).toEqual(['cat', 'dog', 'bird house']);
  });
});

describe('what is said of the input', () => {
  test('becomes options of adoption; what is left empty does not', () => {
    expect(optionsOf(untold)).toEqual({});
    expect(
      optionsOf({
        layout: 'nhwc',
        scale: '0..255',
        channels: 'bgr',
        mean: '0.485, 0.456 0.406',
        std: '1',
        size: '224',
      }),
    ).toEqual({
      layout: 'nhwc',
      scale: '0..255',
      channels: 'bgr',
      mean: [0.485, 0.456, 0.406],
      std: [1],
      size: [224, 224],
    });
    expect(optionsOf({ ...untold, size: '299 224' })).toEqual({ size: [299, 224] });
  });

  test.for([
    [{ mean: 'grey' }, 'mean must be numbers, such as 0.485, 0.456, 0.406; got grey'],
    [{ size: '1, 2, 3' }, 'size must be height and width in pixels, such as 224, 224; got 1, 2, 3'],
    [{ size: '0' }, 'size must be height and width in pixels, such as 224, 224; got 0'],
  ] as const)('is rejected in one line where it is none: %j', ([said, message]) => {
    expect(() => optionsOf({ ...untold, ...said })).toThrow(message);
  });
});
