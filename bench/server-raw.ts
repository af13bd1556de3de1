/** A process of its own that runs the sessions of an attack back to back, with nothing around them. */
import { readFile } from 'node:fs/promises';
import type { ImageShape } from '../src/runtime/attacks/images.ts';
import { valuesOf } from '../src/runtime/classifier-card.ts';
import { openCell } from '../src/server/inference.ts';

/** What to run, and for how long. */
export interface RawJob {
  readonly paths: Readonly<Record<'c1' | 'attacker', string>> & { readonly c2?: string };
  readonly eps: number;
  readonly image: ImageShape;
  readonly threads: number;
  /** Images a run. */
  readonly batch: number;
  readonly seconds: number;
}

/** Attacks a second. */
async function rate({ paths, eps, image, threads, batch, seconds }: RawJob): Promise<number> {
  const [c1, c2, attacker] = [
    await readFile(paths.c1),
    paths.c2 === undefined ? null : await readFile(paths.c2),
    await readFile(paths.attacker),
  ];
  const cell = await openCell({ eps, image, c1, c2, attacker }, threads);
  const work = {
    images: new Float32Array(batch * valuesOf(image)).map((_, i) => (i % 256) / 255),
    constraints: Array.from({ length: batch }, () => ({ clip: true, bits: null })),
  };
  for (let i = 0; i < 5; i++) await cell.attack(work); // first runs are slow: memory is being found
  const started = performance.now();
  let images = 0;
  while (performance.now() - started < 1000 * seconds) {
    await cell.attack(work);
    images += batch;
  }
  await cell.close();
  return (1000 * images) / (performance.now() - started);
}

console.log(await rate(JSON.parse(process.argv[2]!) as RawJob));
