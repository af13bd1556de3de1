import { describe, expect, it } from 'vitest';
import { concat, mul, neg, reduceMean, reshape, sub, type Value } from '../../../src/builder/index.ts';
import type { Cell } from '../../../src/runtime/experiment/cells.ts';
import { noJournal } from '../../../src/runtime/experiment/journal.ts';
import { crossAttack } from '../../../src/runtime/experiment/matrix.ts';
import { modelOf, pixels } from '../../support/classifiers.ts';
import { sourceOf } from '../../support/idx.ts';

/** White images of class 1 and black ones of class 0, in turn; the last two have the other's label. */
const split = sourceOf({
  images: Uint8Array.from({ length: 10 * pixels }, (_, i) => 255 * (Math.floor(i / pixels) % 2)),
  labels: Uint8Array.from({ length: 10 }, (_, i) => (i < 8 ? i % 2 : 1 - (i % 2))),
});

/** Class 1 where the mean pixel is above `threshold`. */
const brightness = (threshold: number): Uint8Array =>
  modelOf('logits', (image: Value) => {
    const above = sub(reduceMean(reshape(image, [-1, pixels]), { axes: [1], keepdims: true }), threshold);
    return concat([neg(above), above], 1);
  });
const negative = modelOf('attacked', (image) => sub(1, image));
const darker = modelOf('attacked', (image) => mul(image, 0.4));

function cellOf(folder: string, models: { c1: Uint8Array; c2: Uint8Array; attacker: Uint8Array }): Cell {
  return {
    folder,
    mode: 'consecutive',
    eps: 0.1,
    seed: 1,
    bound: 'tanh',
    clip: true,
    architecture: 'paper',
    hasTransfer: true,
    models: {
      c1: known.get(models.c1)!,
      c2: known.get(models.c2)!,
      attacker: known.get(models.attacker)!,
    },
    load: (name) => Promise.resolve(models[name]),
  };
}

const [half, low, blind] = [brightness(0.5), brightness(0.3), brightness(-1)];
const known = new Map([half, low, blind, negative, darker].map((bytes, i) => [bytes, `${i}`.repeat(64)]));

describe('the cross-attack matrix', () => {
  it('has every attacker against every distinct classifier, and transfer where both were right', async () => {
    const work = crossAttack(
      [
        { run: '.', cell: cellOf('first', { c1: half, c2: low, attacker: darker }) },
        { run: 'other', cell: cellOf('second', { c1: half, c2: blind, attacker: negative }) },
      ],
      split,
      { device: 'cpu', threads: 1, journal: noJournal },
    );
    let next = await work.next();
    while (!next.done) next = await work.next();
    const { attackers, classifiers, clean, attacked, transfer } = next.value;
    expect(attackers.map(({ name }) => name)).toEqual(['A first', 'A other/second']);
    expect(classifiers.map(({ name }) => name)).toEqual(['C1 first', 'C2 first', 'C2 other/second']);
    // `blind` says 1 to all: the four white ones and the black one with the wrong label
    expect(clean.map(({ accuracy }) => accuracy)).toEqual([0.8, 0.8, 0.5]);
    expect(attacked.map((row) => row.map(({ accuracy }) => accuracy))).toEqual([
      // at 0.4 white is black to `half` (the white one with a label of 0 is then right), and still white to `low`
      [0.5, 0.8, 0.5],
      [0.2, 0.2, 0.5],
    ]);
    expect(transfer).toEqual([
      [
        { images: 8, accuracy: 0.5 },
        { images: 8, accuracy: 1 },
        { images: 4, accuracy: 1 },
      ],
      [
        { images: 8, accuracy: 0 },
        { images: 8, accuracy: 0 },
        { images: 4, accuracy: 1 },
      ],
    ]);
  });
});
