import { balls } from './ball.ts';
import type { Batch, Images } from './images.ts';
import type { Oracle } from './oracle.ts';
import type { ThreatModel } from './threat.ts';

/** Which class a gradient is of, and which way it is followed. */
export interface Aim {
  /** The class of each image whose loss is to change. */
  readonly labels: Int32Array;
  /** 1 to raise the loss, -1 to lower it. */
  readonly way: 1 | -1;
}

/** Away from the true class; or towards the target, by lowering its loss. */
export const aimOf = ({ labels, targets }: Batch, { goal }: Pick<ThreatModel, 'goal'>): Aim =>
  goal === 'untargeted' ? { labels, way: 1 } : { labels: targets!, way: -1 };

/** A step of `size` along the gradient of `gap`, projected onto the ball and the range. */
export async function gradientStep(
  oracle: Oracle,
  batch: Batch,
  threat: ThreatModel,
  images: Images,
  size: number,
): Promise<Images> {
  const { labels, way } = aimOf(batch, threat);
  const { gradient } = await oracle.gradient!({ images, labels }, 'gap');
  const step = new Float64Array(labels.length).fill(way * size);
  return balls[threat.norm].step(images, gradient, step, batch.images, threat.eps, threat.range);
}
