import { describe, expect, test } from 'vitest';
import { add, input, tensorOf } from '../../src/builder/index.ts';
import { evaluate, valueOf } from './run.ts';

const square = tensorOf('float32', [2, 2], [1, 2, 3, 4]);

describe('evaluate', () => {
  const x = input('x', 'float64', [2]);

  test('gives every output by its name', async () => {
    const feeds = { x: tensorOf('float64', [2], [1, 2]) };
    const { twice, more } = await evaluate({ twice: add(x, x), more: add(x, 1) }, feeds);
    expect(twice).toEqual(tensorOf('float64', [2], [2, 4]));
    expect(more).toEqual(tensorOf('float64', [2], [2, 3]));
  });

  test('names an input that is not fed', async () => {
    await expect(valueOf(add(x, 1))).rejects.toThrow('no tensor is fed to x');
  });
});

describe('toBeAllClose', () => {
  test('holds at the edge of the tolerance and not beyond', () => {
    expect([1.5, 10]).toBeAllClose([1, 8], { atol: 0.5, rtol: 0.25 });
    expect([1.5, 10]).not.toBeAllClose([1, 8], { atol: 0.25, rtol: 0.125 });
  });

  test('names the worst element and both values', () => {
    const off = tensorOf('float32', [2, 2], [1, 2.5, 7, 4]);
    expect(() => expect(off).toBeAllClose(square, { atol: 0.25 })).toThrow(
      '2 of 4 elements are further off than rtol 0, atol 0.25; the worst at [1,0]: got 7, expected 3, difference 4',
    );
  });

  test('refuses NaN, where it is expected too', () => {
    expect([NaN]).not.toBeAllClose([1], { atol: Infinity });
    expect([NaN]).not.toBeAllClose([NaN], { atol: 1 });
    expect(() => expect([1, NaN]).toBeAllClose([9, 1])).toThrow('the worst at [1]: got NaN');
  });

  test('takes infinities of one sign as equal', () => {
    expect([Infinity]).toBeAllClose([Infinity]);
    expect([Infinity]).not.toBeAllClose([-Infinity], { atol: 1 });
  });

  test('refuses another dtype, shape or length', () => {
    expect(() => expect(square).toBeAllClose({ ...square, shape: [4] })).toThrow(
      'expected float32[4], got float32[2,2]',
    );
    expect(square).not.toBeAllClose(tensorOf('float64', [2, 2], [1, 2, 3, 4]));
    expect(() => expect(square).toBeAllClose([1, 2])).toThrow('expected 2 elements, got 4');
  });
});
