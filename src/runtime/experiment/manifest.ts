import type { ClassifierCard } from '../classifier-card.ts';
import type { CellResult } from './result.ts';

/** A model that can be fetched. */
export interface ModelFile {
  /** Relative to the manifest: `models/consecutive-eps0.16-seed1/attacker.onnx`. */
  readonly url: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** The models of a cell. Those that not every run or server has are optional. */
export interface CellModels {
  /** `image` [batch, channels, height, width] in 0..1 -> `logits`, `probabilities` [batch, classes]. */
  readonly c1: ModelFile;
  /** A second classifier, which the attacker never sees; absent where a run has none to measure transfer on. */
  readonly c2?: ModelFile;
  /** `image` -> `perturbation` in [-eps, eps], `attacked`. */
  readonly attacker: ModelFile;
  /** The attacker with its weights in 8 bits: a quarter of the size, the same inputs and outputs. */
  readonly attackerCompact?: ModelFile;
  /** The gradient of C1's `gap` for FGSM and PGD, as `classifierGradient` describes it. */
  readonly gradient?: ModelFile;
}

/** One trained attacker, the classifiers it was measured on, and how they did. */
export interface ManifestCell extends Pick<
  CellResult,
  'mode' | 'eps' | 'bound' | 'clip' | 'seed' | 'folder'
> {
  /** `c2` where there is a C2. */
  readonly final: Pick<CellResult['final'], 'c1'> & Partial<CellResult['final']>;
  readonly models: CellModels;
}

/**
 * What there is of a run, for programs that fetch it: the answer to `GET /models`, and `models.json` beside a static
 * demo.
 */
export interface Manifest {
  readonly schema: 1;
  /** The run folder's name. */
  readonly run: string;
  /** The data set's name, and how many test images the scores are of: null where the run did not write it down. */
  readonly data: { readonly name: string; readonly testImages: number | null };
  /** What the run's classifiers have in common. */
  readonly classifier: ClassifierCard;
  readonly cells: readonly ManifestCell[];
  /** Where attacks are computed on request, relative to the manifest; absent in a static demo. */
  readonly server?: { readonly attack: string };
}

/** A manifest as some version wrote it. Older ones say nothing of the classifiers, which then are the paper's. */
export type StoredManifest = Omit<Manifest, 'classifier'> & Partial<Pick<Manifest, 'classifier'>>;

/**
 * A manifest of any version as this one has it. What older versions called `attackStep` stays out of it: that file is
 * not the gradient but a whole step of an attack.
 */
export const upgradeManifest = (stored: StoredManifest): Manifest => ({ classifier: paperCard, ...stored });

const paperCard: ClassifierCard = {
  image: { channels: 1, height: 28, width: 28 },
  classes: 10,
  labels: null,
};
