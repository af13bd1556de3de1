import type { ImageShape } from '../runtime/attacks/images.ts';
import type { LossName, Trained } from '../runtime/attacks/index.ts';
import type { AttackerModel, OracleFiles } from '../runtime/audit/oracle.ts';

/** A model file, and the hash that it must have whenever a worker opens it. */
export interface ModelSource {
  readonly path: string;
  readonly sha256: string;
}

/** What a worker can open, as plain data. */
export type Source = CellSource | ClassifierSource;

/** The models of a cell: its attacker and two classifiers. */
export interface CellSource {
  readonly kind: 'cell';
  /** The folder of the cell. */
  readonly id: string;
  readonly eps: number;
  readonly image: ImageShape;
  readonly c1: ModelSource;
  readonly c2: ModelSource | null;
  readonly attacker: ModelSource;
}

/** A classifier, and what is known of it besides. */
export interface ClassifierSource extends Pick<
  OracleFiles,
  'ports' | 'image' | 'classes' | 'optimized' | 'gradientBatch'
> {
  readonly kind: 'classifier';
  /** Of this very file: another version of it has another one. */
  readonly id: string;
  readonly file: ModelSource;
  /** The files that its weights lie in, by the names that it gives them. */
  readonly external: Readonly<Record<string, ModelSource>>;
  /** The program of each loss that attacks may climb; null where there is no gradient. */
  readonly gradients: Readonly<Partial<Record<LossName, ModelSource>>> | null;
  /** What was trained to attack it, by its attack. */
  readonly attackers: Readonly<Partial<Record<Trained, AttackerSource>>>;
}

/** The file of a trained attacker, and what it was trained for. */
export interface AttackerSource extends Omit<AttackerModel, 'attacker'> {
  readonly file: ModelSource;
}
