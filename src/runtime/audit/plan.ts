import type { Configured, ThreatModel } from '../attacks/index.ts';

/** An attack of an audit. */
export interface PlannedAttack {
  /** Its name in the document, which no other attack of the plan has. */
  readonly name: string;
  readonly configured: Configured;
  /** `all`: every image that is right without an attack; `left`: those that no attack before has broken. */
  readonly given: 'all' | 'left';
  /** Only images among the first so many; null for all. */
  readonly most: number | null;
  /** It was not asked for, and a check alone looks at it: what it breaks counts nowhere else. */
  readonly probe?: true;
}

/** Accuracy against eps. */
export interface PlannedCurve {
  readonly configured: Configured;
  /** Rising. The eps of the threat model need not be among them. */
  readonly eps: readonly number[];
  /** How many of the first images. */
  readonly images: number;
}

/** What an audit measures: all that decides its numbers, as plain data. */
export interface AuditPlan {
  readonly threat: ThreatModel;
  /** In the order in which they run. */
  readonly attacks: readonly PlannedAttack[];
  readonly curve: PlannedCurve | null;
  /** Of all random numbers. */
  readonly seed: number;
  /**
   * Images that are attacked together. An image is always in the same block, so that a part of the images can be
   * attacked on another machine, or again: the last bits of a gradient may depend on the size of its batch.
   */
  readonly blockSize: number;
}

/** Images that are attacked together. */
export interface Block {
  readonly index: number;
  /** Their places in the source. */
  readonly places: readonly number[];
}

/** A part of the blocks, for one of several machines: from 1 to `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** The blocks of so many images; of a shard, its own. */
export function blocksOf(images: number, size: number, shard: Shard | null): readonly Block[] {
  const blocks = Array.from({ length: Math.ceil(images / size) }, (_, index) => ({
    index,
    places: Array.from({ length: Math.min(size, images - index * size) }, (_, i) => index * size + i),
  }));
  return shard ? blocks.filter(({ index }) => index % shard.count === shard.index - 1) : blocks;
}

/** As many images at a time as fit in memory beside the gradients of a large network. */
export function blockSizeFor({
  channels,
  height,
  width,
}: {
  channels: number;
  height: number;
  width: number;
}): number {
  const values = channels * height * width;
  if (values <= 3 * 64 * 64) return 100;
  return values <= 3 * 128 * 128 ? 32 : 8;
}
