import { expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { inEachRow } from '../../src/onnx/operators/rows.ts';

const whole = (number: number): b.Value => b.scalar(number, 'int64');
const images = b.input('images', 'float32', ['batch', 4]);
const count = b.gather(b.shapeOf(images), whole(0), 0);
const rows = b.unsqueeze(b.apply('Range', [whole(0), count, whole(1)], {})[0]!, [1]);
const list = (...numbers: readonly number[]): b.Value =>
  b.constant(b.tensorOf('int64', [1, numbers.length], numbers));

test.each<[what: string, indices: b.Value, places: readonly number[]]>([
  ['places after the beginning of a row', b.add(b.mul(rows, whole(4)), list(3, 0, 3)), [3, 0, 3]],
  ['the factor first', b.add(list(1), b.mul(whole(4), rows)), [1]],
  ['places before the end of a row', b.sub(b.add(b.mul(rows, whole(4)), whole(3)), list(0, 1)), [3, 2]],
  ['twice half the length', b.add(b.mul(rows, whole(2)), b.add(b.mul(rows, whole(2)), list(2))), [2]],
])('%s are the same in each row', (_, indices, places) => {
  expect(inEachRow(indices)).toEqual({ length: 4, places });
});

test.each<[what: string, indices: b.Value]>([
  ['places beyond a row', b.add(b.mul(rows, whole(4)), list(4))],
  ['places before a row', b.sub(b.mul(rows, whole(4)), list(1))],
  ['squares of row numbers', b.add(b.mul(rows, rows), list(0))],
  ['other strides in other places', b.mul(rows, list(4, 5))],
  ['the same places in all rows', b.add(b.mul(rows, whole(0)), list(1))],
  ['constants', list(0, 1)],
  ['row numbers on the last axis', b.unsqueeze(b.squeeze(rows, [1]), [0])],
  ['what is computed from the images', b.cast(images, 'int64')],
])('%s are not', (_, indices) => {
  expect(inEachRow(indices)).toBeNull();
});
