import { attackBlock } from './attack-block.ts';
import type { AuditPlan, Block } from './plan.ts';
import type { AuditEvent, Work } from './work.ts';

/**
 * Accuracy over eps. A smaller eps than that of the attacks is tried on the images that they broke, a larger one on those
 * that they left: the room of a smaller eps is part of that of a larger one. Null when it was stopped.
 */
export async function* measureCurve(
  work: Work,
  blocks: readonly Block[],
  clean: Uint8Array,
  worst: Uint8Array,
  { configured, eps, images }: NonNullable<AuditPlan['curve']>,
): AsyncGenerator<AuditEvent, ReadonlyMap<number, Uint8Array> | null> {
  const own = work.plan.threat.eps;
  const first = blocks
    .map(({ index, places }) => ({ index, places: places.filter((place) => place < images) }))
    .filter(({ places }) => places.length > 0);
  const right = new Map<number, Uint8Array>([
    [0, clean],
    [own, worst],
  ]);
  /** Attacks some images; those that it does not break are right, and the others as they are in `base`. */
  const point = async function* (at: number, base: Uint8Array, tries: (place: number) => boolean) {
    const mask = base.slice();
    const title = `curve at eps ${Number(at.toPrecision(4))}`;
    const batches = first.map(({ index, places }) => ({ index, places: places.filter(tries) }));
    const total = batches.reduce((sum, { places }) => sum + places.length, 0);
    let done = 0;
    for (const { index, places } of batches) {
      if (places.length === 0) continue;
      const task = {
        part: `curve-${at}-${index}`,
        title,
        configured,
        eps: at,
        done,
        total,
        keeps: () => false,
      };
      const result = yield* attackBlock(work, { places }, task);
      if (!result) return null;
      places.forEach((place, i) => (mask[place] = result.broken[i] === 1 ? 0 : 1));
      done += places.length;
      yield { kind: 'progress', title, done, total } satisfies AuditEvent;
    }
    return mask;
  };
  let above = worst;
  for (const at of eps.filter((each) => each < own).toReversed()) {
    const mask = yield* point(at, above, (place) => clean[place] === 1 && above[place] === 0);
    if (!mask) return null;
    right.set(at, (above = mask));
  }
  let below = worst;
  for (const at of eps.filter((each) => each > own)) {
    const mask = yield* point(at, below, (place) => below[place] === 1);
    if (!mask) return null;
    right.set(at, (below = mask));
  }
  return new Map([...right].toSorted(([a], [b]) => a - b));
}
