import type { Classifier } from '../models/classifier/classifier.ts';
import type { Images, Oracle } from '../runtime/attacks/index.ts';
import { apartOf } from '../runtime/audit/comparison.ts';
import { InputError } from '../runtime/errors.ts';
import { stream } from '../runtime/random.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { partingNode, type Files } from './parting.ts';

/** What the comparison of a file with its gradient graph gave. */
export interface SelfCheck {
  /** Images that were compared: those to which the file gives what is no number are left out. */
  readonly images: number;
  /** The largest difference of two logits, in parts of the largest. */
  readonly apart: number;
  /** What it may be. */
  readonly tolerance: number;
}

/**
 * Compares the logits of a classifier's own file with those of its gradient graph.
 *
 * @param images in 0..1; drawn at random when absent.
 * @throws InputError in one line, naming the first node whose results differ, when they are too far apart.
 */
export async function selfCheck(
  oracle: Oracle,
  files: Files,
  { ports, origin: { tolerance } }: Pick<Classifier, 'ports' | 'origin'>,
  options: SessionOptions,
  images: Images = randomImages(oracle),
): Promise<SelfCheck> {
  const [count] = images.shape;
  const file = await oracle.logits(images);
  const slope = await oracle.gradient!({ images, labels: new Int32Array(count) }, 'gap');
  const { images: compared, relative, difference, largest } = apartOf(file, slope.logits, ports.output.form);
  if (relative <= tolerance) return { images: compared, apart: relative, tolerance };
  const some = firstOf(images, ports.input.batch ?? 1);
  const node = await partingNode(files, ports, some, tolerance, { ...options, device: 'cpu' });
  throw new InputError(
    `the gradient graph gives other logits than the file (${difference.toPrecision(3)} apart, the largest is ` +
      `${largest.toPrecision(3)}), so the file was read wrongly${node ? `, from node ${node} on` : ''}; export it again ` +
      'without graph optimisation',
  );
}

const count = 3;

function randomImages({ image: { channels, height, width } }: Oracle): Images {
  const random = stream(1, 'self-check');
  const data = Float32Array.from({ length: count * channels * height * width }, () => random.uniform());
  return { data, shape: [count, channels, height, width] };
}

/** The first images, one of them again where there are too few. */
function firstOf({ data, shape: [have, ...size] }: Images, wanted: number): Images {
  const each = data.length / have;
  const out = new Float32Array(wanted * each);
  for (let i = 0; i < wanted; i++) {
    const from = i < have ? i : 0;
    out.set(data.subarray(from * each, (from + 1) * each), i * each);
  }
  return { data: out, shape: [wanted, ...size] };
}
