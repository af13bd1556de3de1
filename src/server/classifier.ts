import { balls, to8Bits, type Images, type Trained } from '../runtime/attacks/index.ts';
import { answerOf } from '../runtime/attacks/score.ts';
import { attackBatch } from '../runtime/audit/attack-batch.ts';
import { counted } from '../runtime/audit/counted.ts';
import { openOracle, type AttackerModel, type OpenOracle } from '../runtime/audit/oracle.ts';
import { readModelFile } from './model-files.ts';
import type { ClassifierSource, ModelSource } from './sources.ts';
import { OutOfTime } from './supervised.ts';
import type { AskAttack, AttackResult, Batch, LogitsRows } from './work.ts';

/** A classifier that is open in a worker. */
export interface ServedClassifier {
  /** @param deadline when an attack is given up, in milliseconds since 1970. */
  answer(batch: Omit<Batch, 'cell'>, deadline: number): Promise<LogitsRows | AttackResult>;
  close(): Promise<void>;
}

/** Opens a classifier on `threads` threads of the CPU. A gradient is opened when an attack first asks for it. */
export async function openServed(source: ClassifierSource, threads: number): Promise<ServedClassifier> {
  const { file, external, gradients, gradientBatch, attackers, ports, image, classes, optimized } = source;
  const read = ({ path, sha256 }: ModelSource): Promise<Uint8Array> => readModelFile(path, sha256);
  const beside: Record<string, Uint8Array> = {};
  for (const [name, one] of Object.entries(external)) beside[name] = await read(one);
  const trained: Partial<Record<Trained, AttackerModel>> = {};
  for (const name of ['generator', 'universal'] as const) {
    const own = attackers[name];
    if (own) trained[name] = { ...own, attacker: await read(own.file) };
  }
  const oracle = await openOracle(
    {
      classifier: await read(file),
      external: beside,
      image,
      classes,
      ...(ports && { ports }),
      ...(optimized !== undefined && { optimized }),
      ...(gradients && {
        gradient(loss) {
          const program = gradients[loss];
          if (!program) throw new Error(`this server has no gradient of ${loss}`);
          return read(program);
        },
        gradientBatch: gradientBatch ?? null,
      }),
      ...trained,
    },
    { device: 'cpu', threads },
  );
  const { channels, height, width } = image;
  return {
    async answer({ images: data, constraints, ask }, deadline) {
      const images: Images = { data, shape: [constraints.length, channels, height, width] };
      if (ask?.kind === 'attack') return await attacked(oracle, images, constraints[0]!.bits, ask, deadline);
      return { logits: (await oracle.logits(images)).data };
    },
    close: () => oracle.close(),
  };
}

async function attacked(
  oracle: OpenOracle,
  origin: Images,
  bits: 8 | null,
  { attack, threat, seed, labels, targets }: AskAttack,
  deadline: number,
): Promise<AttackResult> {
  const [count] = origin.shape;
  const before = await oracle.logits(origin);
  const own = (): Int32Array =>
    // an image that gets no number has no class; any will do
    Int32Array.from({ length: count }, (_, i) => Math.max(0, answerOf(before, i)));
  const batch = {
    images: origin,
    labels: labels ?? own(),
    ...(targets && { targets }),
    places: Int32Array.from({ length: count }, (_, i) => i),
  };
  const asked = counted(oracle);
  const work = attackBatch(asked.oracle, batch, threat, attack, { seed, name: attack.attack });
  let next = await work.next();
  for (; !next.done; next = await work.next()) {
    if (Date.now() < deadline) continue;
    await work.return(undefined as never);
    throw new OutOfTime(`${attack.attack} was given up`);
  }
  const { forward, backward } = asked.queries();
  const images = bits === 8 ? to8Bits(next.value.images, origin, threat) : next.value.images;
  return {
    attacked: images.data,
    linf: balls.linf.distance(images, origin),
    l2: balls.l2.distance(images, origin),
    before: before.data,
    after: (await oracle.logits(images)).data,
    // each image is asked about once more when the attack is over
    queries: { forward: forward - count, backward },
  };
}
