import { describe, expect, it } from 'vitest';
import { chosenOf, drawn, spread } from '../../../src/runtime/data/chosen.ts';
import { limit, storedSource, type ImageSource } from '../../../src/runtime/data/source.ts';

/** So many images of each class, sorted by class: 100, 10 and 1, and one class without any. */
const sorted = Int32Array.from([...Array(100).fill(0), ...Array(10).fill(1), 3] as number[]);

const countsOf = (labels: Iterable<number>): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
};

describe('images spread over their classes', () => {
  it('are all of them, each once', () => {
    const places = spread(sorted, 1);
    expect([...places].toSorted((a, b) => a - b)).toEqual([...sorted.keys()]);
  });

  it.each([11, 22, 37, 111])('are of each class in its share among the first %d', (count) => {
    for (const seed of [1, 2, 3]) {
      const counts = countsOf([...spread(sorted, seed).subarray(0, count)].map((place) => sorted[place]!));
      for (const [label, images] of Object.entries(countsOf(sorted))) {
        expect(Math.abs((counts[Number(label)] ?? 0) - (images * count) / sorted.length)).toBeLessThan(2);
      }
    }
  });

  it('are equally many of classes that are equally large', () => {
    const balanced = Int32Array.from({ length: 500 }, (_, i) => Math.floor(i / 50));
    for (const count of [10, 70, 200]) {
      const first = [...spread(balanced, 4).subarray(0, count)].map((place) => balanced[place]!);
      expect(Object.values(countsOf(first))).toEqual(Array(10).fill(count / 10));
    }
  });

  it('are the same for a seed, and others for another', () => {
    expect(spread(sorted, 1)).toEqual(spread(sorted, 1));
    expect(spread(sorted, 1)).not.toEqual(spread(sorted, 2));
  });

  it('are not the first of a class: each may be chosen', () => {
    const chosen = new Set(
      [1, 2, 3, 4, 5, 6, 7, 8].flatMap((seed) => [...spread(sorted, seed).subarray(0, 30)]),
    );
    expect(Math.max(...[...chosen].filter((place) => place < 100))).toBeGreaterThan(80);
    expect(chosen.size).toBeGreaterThan(70);
  });

  it('are drawn from all where nobody knows the classes', () => {
    const places = spread(new Int32Array(1000).fill(-1), 5).subarray(0, 100);
    expect(new Set(places).size).toBe(100);
    expect(places.filter((place) => place < 500).length).toBeGreaterThan(30);
  });
});

describe('the images that are chosen of a source', () => {
  const images = Uint8Array.from(sorted.keys());
  const about = {
    name: 'few',
    shape: { channels: 1, height: 1, width: 1 },
    sha256: '',
    classes: ['a', 'b', 'c', 'd'],
  };
  const whole = storedSource(about, { images, labels: sorted });
  const { stored: _, ...unstored } = whole;

  it.each<[string, ImageSource]>([
    ['in memory', whole],
    ['that is read when it is asked for', unstored],
  ])('%s know their places in it', async (__, source) => {
    const some = await chosenOf(source, { count: 22, seed: 7 });
    expect(some.count).toBe(22);
    expect(some.places).toEqual(spread(sorted, 7).subarray(0, 22));
    const { image, label } = await some.read([0, 5, 21]);
    const [a, b, c] = [0, 5, 21].map((i) => some.places![i]!);
    expect([...(image.data as Float32Array)].map((value) => Math.round(255 * value))).toEqual([a, b, c]);
    expect([...label.data]).toEqual([a, b, c].map((place) => sorted[place!]!));
    expect(limit(some, 5).places).toEqual(some.places!.subarray(0, 5));
  });

  it('are fewer of the same when fewer are asked for', async () => {
    const many = await chosenOf(whole, { count: 50, seed: 7 });
    const few = await chosenOf(whole, { count: 20, seed: 7 });
    expect(few.places).toEqual(many.places!.subarray(0, 20));
  });

  it('are in another order where all are taken, so that the first are of all classes', async () => {
    const all = await chosenOf(whole, { seed: 7 });
    expect(all.count).toBe(sorted.length);
    expect(new Set((await all.read([...Array(40).keys()])).label.data as Int32Array).size).toBeGreaterThan(1);
  });

  it('are the first without a seed', async () => {
    const first = await chosenOf(whole, { count: 3 });
    expect(first.places).toBeUndefined();
    expect((await first.read([2])).image).toEqual((await whole.read([2])).image);
    expect(await chosenOf(whole, {})).toBe(whole);
  });

  it('are drawn where fewer are wanted, and otherwise all as they come', async () => {
    const few = await drawn(whole, 22, 7);
    expect(few.places).toEqual((await chosenOf(whole, { count: 22, seed: 7 })).places);
    expect(await drawn(whole, undefined, 7)).toBe(whole);
    expect(await drawn(whole, 200, 7)).toBe(whole);
  });
});
