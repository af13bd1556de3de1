import { attackOf, drawsOf, toEnd, type Images, type Oracle, type SettingsOf } from '../attacks/index.ts';
import { permutation, stream, type Random } from '../random.ts';
import type { Training } from '../session.ts';
import { float32, type Tensors } from '../tensor.ts';
import type { OpenOracle } from './oracle.ts';
import { batchAt, type AuditEvent, type Work } from './work.ts';

/** Opens the network that learns a classifier's answers. Its graphs are made above the runtime. */
export interface SurrogateMaker {
  /** A training program at its first state: `image` and `answer` [batch,classes], both float32. */
  training(batchSize: number, seed: number): Promise<Training>;
  /** The network with weights that were trained. */
  open(weights: Tensors): Promise<OpenOracle>;
}

/** An image and the classifier's answer to it, one number a class around 0. */
interface Lesson {
  readonly image: Float32Array;
  readonly answer: Float32Array;
}

/** Gradient steps by which images are changed between two rounds. */
const steps = 10;
/** Images of a training step. */
const batchSize = 32;
const name = 'surrogate';

/**
 * Trains a network on a classifier's answers: to some images of the source, to copies of them with noise, and, from the
 * second round on, to copies that are attacked by the gradient of the network as it is by then. So it learns the answers
 * where an attack will lead. The images are taken evenly from the whole source, so that every shard trains the same
 * network. Null when it was stopped.
 */
export async function* trainSurrogate(
  { oracle, source, plan, signal }: Work,
  { images: most, rounds, updates }: SettingsOf<'transfer'>,
  maker: SurrogateMaker,
): AsyncGenerator<AuditEvent, Tensors | null> {
  const { threat, seed, blockSize } = plan;
  const batches = evenly(source.count, most, blockSize);
  const lessons: Lesson[] = [];
  const learn = async (images: Images): Promise<void> => {
    lessons.push(...lessonsOf(images, await oracle.logits(images)));
  };
  const training = await maker.training(batchSize, seed);
  try {
    let temperature: number | null = null;
    for (let round = 0; round < rounds; round++) {
      const taught = round === 0 ? null : await maker.open(await training.state());
      try {
        for (const places of batches) {
          if (signal.aborted) return null;
          const batch = await batchAt(source, places);
          const draws = drawsOf(seed, `${name} ${round}`);
          const work = taught
            ? attackOf('pgd').run(taught, batch, threat, { steps, stepSize: null, restarts: 1 }, draws)
            : attackOf('noise').run(oracle, batch, threat, {}, draws);
          if (!taught) await learn(batch.images);
          await learn(await toEnd(work));
        }
      } finally {
        await taught?.close();
      }
      temperature ??= spreadOf(lessons);
      // no answer was a number
      if (lessons.length === 0) break;
      const next = endless(lessons, stream(seed, name, 'order', round));
      for (let update = 1; update <= updates; update++) {
        if (signal.aborted) return null;
        const some = Array.from({ length: batchSize }, () => next.next().value);
        await training.step(fed(some, oracle, temperature));
        yield { kind: 'progress', title: name, done: round * updates + update, total: rounds * updates };
      }
    }
    return await training.state();
  } finally {
    await training.close();
  }
}

/** All again and again, each time in another order. */
function* endless<T>(all: readonly T[], random: Random): Generator<T, never> {
  for (;;) for (const i of permutation(all.length, random)) yield all[i]!;
}

/** At most so many places, as far apart as they can be, in batches. */
function evenly(count: number, most: number, size: number): readonly (readonly number[])[] {
  const n = Math.min(count, most);
  const places = Array.from({ length: n }, (_, i) => Math.floor((i * count) / n));
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => places.slice(i * size, (i + 1) * size));
}

/** Images with answers that are numbers. */
function lessonsOf(
  { data: pixels, shape: [count] }: Images,
  { data, shape: [, classes] }: Awaited<ReturnType<Oracle['logits']>>,
): readonly Lesson[] {
  const size = pixels.length / count;
  return Array.from({ length: count }, (_, i) => {
    const row = data.subarray(i * classes, (i + 1) * classes);
    const mean = row.reduce((sum, z) => sum + z, 0) / classes;
    return { image: pixels.slice(i * size, (i + 1) * size), answer: row.map((z) => z - mean) };
  }).filter(({ answer }) => answer.every(Number.isFinite));
}

/**
 * The root mean square of the answers. Divided by it, the answers of a classifier that is very sure say how near the other
 * classes are, too.
 */
function spreadOf(lessons: readonly Lesson[]): number {
  const squares = lessons.map(({ answer }) => answer.reduce((sum, z) => sum + z * z, 0) / answer.length);
  const mean = squares.reduce((sum, each) => sum + each, 0) / Math.max(1, lessons.length);
  return mean > 0 ? Math.sqrt(mean) : 1;
}

/** Lessons as the training program takes them. */
function fed(
  lessons: readonly Lesson[],
  { image: { channels, height, width }, classes }: Pick<Oracle, 'image' | 'classes'>,
  temperature: number,
) {
  const size = channels * height * width;
  const image = new Float32Array(lessons.length * size);
  const answer = new Float32Array(lessons.length * classes);
  lessons.forEach((lesson, i) => {
    image.set(lesson.image, i * size);
    answer.set(
      lesson.answer.map((z) => z / temperature),
      i * classes,
    );
  });
  return {
    image: float32([lessons.length, channels, height, width], image),
    answer: float32([lessons.length, classes], answer),
  };
}
