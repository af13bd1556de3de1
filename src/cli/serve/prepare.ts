import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openWithFiles } from '../../api/classifier.ts';
import { loadClassifier, naming } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import type { AdoptOptions } from '../../models/classifier/options.ts';
import {
  attackNames,
  attackOf,
  isTrained,
  type AttackName,
  type ImageShape,
  type LossName,
  type Trained,
} from '../../runtime/attacks/index.ts';
import { climbed } from '../../runtime/attacks/settings.ts';
import { valuesOf } from '../../runtime/classifier-card.ts';
import { checkFit, type FitOptions } from '../../runtime/data/fit.ts';
import { InputError } from '../../runtime/errors.ts';
import type {
  AttackerSource,
  AttackOffer,
  ClassifierSource,
  ModelCatalogue,
  ModelSource,
} from '../../server/index.ts';
import { readAttackers, type Attackers } from '../audit/attackers.ts';
import { hashOf, identityOf } from '../../api/identity.ts';

/** How a classifier is to be served. Plain data, so that another process can prepare it. */
export interface ServeModel {
  readonly path: string;
  readonly adopt: AdoptOptions;
  /** The attack of requests that name none; when null pgd, and square where there is no gradient. */
  readonly attack: AttackName | null;
  /** The attacks to offer; those that suit the classifier when null. */
  readonly attacks: readonly AttackName[] | null;
  readonly norm: AttackOffer['norm'];
  readonly eps: number;
  /** Largest eps of a request; as large as images allow when null. */
  readonly mostEps: number | null;
  readonly most: Omit<AttackOffer['most'], 'eps'>;
  /** The files of trained attackers, one of a kind. */
  readonly attackers: readonly string[];
  readonly fit: FitOptions | null;
}

/**
 * Reads a classifier, compares its gradient graph with its file, and writes what workers need into a folder: the file as
 * it is now, and the gradient of every loss that the offered attacks climb.
 *
 * @throws InputError in one line when the file is no classifier, or an attack or pictures do not suit it.
 */
export async function prepareModel(model: ServeModel, folder: string): Promise<ModelCatalogue> {
  const { path, adopt } = model;
  await mkdir(folder, { recursive: true });
  const loaded = await loadClassifier(node, path, adopt);
  const trained = await readAttackers(model.attackers, loaded, []);
  return await naming(path, async () => {
    const { classifier, files } = await openWithFiles(node, loaded, { device: 'cpu', threads: 1 });
    await classifier.close();
    const { image, classes, labels, pictures, noGradient, origin } = classifier;
    const fit = model.fit && { ...pictures, ...model.fit };
    if (fit) checkFit(image, fit);
    const save = async (name: string, bytes: Uint8Array): Promise<ModelSource> => {
      const file = join(folder, name);
      await writeFile(file, bytes);
      return { path: file, sha256: createHash('sha256').update(bytes).digest('hex') };
    };
    const attacks = offerOf(model, trained, noGradient, image);
    const gradients: Partial<Record<LossName, ModelSource>> = {};
    for (const loss of files.gradient ? lossesOf(attacks.names, classes) : []) {
      gradients[loss] = await save(`gradient-${loss}.onnx`, await files.gradient!(loss));
    }
    const external: Record<string, ModelSource> = {};
    for (const [i, [name, bytes]] of Object.entries(files.external ?? {}).entries()) {
      external[name] = await save(`weights-${i}`, bytes);
    }
    const attackers: Partial<Record<Trained, AttackerSource>> = {};
    for (const { kind, attacker, eps, targeted = false } of Object.values(trained)) {
      attackers[kind] = { file: await save(`${kind}.onnx`, attacker), eps, targeted };
    }
    const sha256 = hashOf(loaded);
    const name = nameOf(path);
    // the files of attackers and how the model is read change what a worker must open, too
    const others = Object.values(attackers).map(({ file, ...one }) => ({ sha256: file.sha256, ...one }));
    const identity = createHash('sha256')
      .update(JSON.stringify([identityOf(loaded), others]))
      .digest('hex');
    const source: ClassifierSource = {
      kind: 'classifier',
      id: `${name}@${identity.slice(0, 16)}`,
      file: await save('classifier.onnx', files.classifier),
      external,
      image,
      classes,
      ...(files.ports && { ports: files.ports }),
      ...(files.optimized !== undefined && { optimized: files.optimized }),
      gradients: files.gradient ? gradients : null,
      gradientBatch: files.gradientBatch ?? null,
      attackers,
    };
    return {
      name,
      sha256,
      card: { image: { ...image }, classes, labels },
      source,
      understood: [...origin.facts.map(({ text }) => text), ...origin.notes],
      noGradient,
      attacks,
      fit,
    };
  });
}

/** The name of a file in letters that a URL may hold. */
const nameOf = (path: string): string =>
  basename(path)
    .replace(/\.onnx$/i, '')
    .replaceAll(/[^\w.-]+/g, '-') || 'model';

/** The losses that some attacks climb, of those that so many classes allow. */
function lossesOf(names: readonly AttackName[], classes: number): readonly LossName[] {
  const least: Partial<Record<LossName, number>> = { dlr: 3, 'dlr-targeted': 4 };
  return [...new Set(names.flatMap((name) => climbed[name]))].filter((loss) => classes >= (least[loss] ?? 2));
}

function offerOf(
  { attack, attacks, norm, eps, mostEps, most }: ServeModel,
  trained: Attackers,
  noGradient: string | null,
  image: ImageShape,
): AttackOffer {
  const lackOf = (name: AttackName): string | null => {
    const { access, norms } = attackOf(name);
    if (access === 'gradient' && noGradient !== null)
      return `needs gradients of the classifier (${noGradient})`;
    if (access === 'surrogate') return 'trains a network first; run it with sparring audit';
    if (isTrained(name) && !trained[name]) return 'needs a trained attacker; name its file with --attacker';
    return norms.includes(norm) ? null : `knows ${norms.join(' and ')} only, not ${norm}`;
  };
  for (const name of [...(attack ? [attack] : []), ...(attacks ?? [])]) {
    const lack = lackOf(name);
    if (lack !== null) throw new InputError(`${name} ${lack}`);
  }
  const usual = attacks?.[0] ?? (lackOf('pgd') === null ? 'pgd' : 'square');
  const offered = attacks ?? attackNames.filter((name) => lackOf(name) === null);
  const widest = { linf: 1, l2: Math.sqrt(valuesOf(image)) };
  const largest = { ...widest, ...(mostEps !== null && { [norm]: Math.min(mostEps, widest[norm]) }) };
  if (eps > largest[norm])
    throw new InputError(`--eps ${eps} is more than the largest eps, ${largest[norm]}`);
  return {
    names: [...new Set([attack ?? usual, ...offered])],
    untargeted: Object.values(trained).flatMap(({ kind, targeted }) => (targeted ? [] : [kind])),
    norm,
    eps,
    most: { ...most, eps: largest },
  };
}
