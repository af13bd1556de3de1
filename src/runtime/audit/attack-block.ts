import type { Safetensors } from '../safetensors.ts';
import { attackBatch } from './attack-batch.ts';
import type { Queries } from './oracle.ts';
import type { Block, PlannedAttack } from './plan.ts';
import { batchAt, partOf, type AuditEvent, type Work } from './work.ts';

/** What an attack did to one block. */
export interface BlockResult {
  readonly broken: Uint8Array;
  /** The attacked images that are kept, one after another. */
  readonly images: Float32Array;
  readonly queries: Queries;
  readonly seconds: number;
}

/** Which attack. */
export interface BlockTask {
  /** The name under which the result is kept. */
  readonly part: string;
  readonly title: string;
  readonly configured: PlannedAttack['configured'];
  readonly eps: number;
  readonly done: number;
  readonly total: number;
  readonly keeps: (place: number) => boolean;
}

/** One attack on one block, or what was kept of it; null when it was stopped. */
export async function* attackBlock(
  { oracle, queries, source, plan, parts, signal }: Work,
  { places }: Pick<Block, 'places'>,
  { part, title, configured, eps, done, total, keeps }: BlockTask,
): AsyncGenerator<AuditEvent, BlockResult | null> {
  if (signal.aborted) return null;
  const kept = resultOf(await parts.find(part), places);
  if (kept) return kept;
  const [started, asked] = [performance.now(), queries()];
  const batch = await batchAt(source, places);
  const work = attackBatch(oracle, batch, { ...plan.threat, eps }, configured, {
    seed: plan.seed,
    name: title,
  });
  let next = await work.next();
  for (; !next.done; next = await work.next()) {
    if (signal.aborted) {
      await work.return(undefined as never);
      return null;
    }
    yield { kind: 'progress', title, done, total };
  }
  const { images, reached: broken } = next.value;
  const size = images.data.length / places.length;
  const wanted = places.flatMap((place, i) => (broken[i] === 1 && keeps(place) ? [i] : []));
  const pixels = new Float32Array(wanted.length * size);
  wanted.forEach((i, to) => pixels.set(images.data.subarray(i * size, (i + 1) * size), to * size));
  const now = queries();
  const result: BlockResult = {
    broken,
    images: pixels,
    queries: { forward: now.forward - asked.forward, backward: now.backward - asked.backward },
    seconds: (performance.now() - started) / 1000,
  };
  await parts.keep(part, partWith(result, places));
  return result;
}

function partWith({ broken, images, queries, seconds }: BlockResult, places: readonly number[]): Safetensors {
  const tensors = {
    places: { dtype: 'int32', shape: [places.length], data: Int32Array.from(places) },
    broken: { dtype: 'bool', shape: [broken.length], data: broken },
    images: { dtype: 'float32', shape: [images.length], data: images },
  } as const;
  const cost = { forward: queries.forward, backward: queries.backward, seconds };
  return partOf(
    tensors,
    Object.fromEntries(Object.entries(cost).map(([key, value]) => [key, String(value)])),
  );
}

/** The opposite; null where it is of other images. */
function resultOf(part: Safetensors | undefined, places: readonly number[]): BlockResult | null {
  const [of, broken, images] = ['places', 'broken', 'images'].map((name) => part?.tensors.get(name)?.data);
  if (!part || !of || !broken || !images || of.join() !== places.join()) return null;
  const [forward, backward, seconds] = ['forward', 'backward', 'seconds'].map((key) =>
    Number(part.metadata[key]),
  );
  return {
    broken: broken as Uint8Array,
    images: images as Float32Array,
    queries: { forward: forward!, backward: backward! },
    seconds: seconds!,
  };
}
