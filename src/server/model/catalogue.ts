import type { AttackName, Norm } from '../../runtime/attacks/index.ts';
import type { ClassifierCard } from '../../runtime/classifier-card.ts';
import type { FitOptions } from '../../runtime/data/fit.ts';
import type { ClassifierSource } from '../sources.ts';

/** A classifier that somebody brings, prepared for workers. All of it is plain data. */
export interface ModelCatalogue {
  /** What its file is called, without `.onnx`; in letters that a URL may hold. */
  readonly name: string;
  /** SHA-256 of the file, and of those that its weights lie in. */
  readonly sha256: string;
  readonly card: ClassifierCard;
  readonly source: ClassifierSource;
  /** What was understood or assumed of its file, a line each. */
  readonly understood: readonly string[];
  /** Why there is no gradient; null where there is one. */
  readonly noGradient: string | null;
  readonly attacks: AttackOffer;
  /** How pictures of other sizes are fitted; null when they are rejected. */
  readonly fit: FitOptions | null;
}

/** Which attacks are offered, and how much of them a request may ask for. */
export interface AttackOffer {
  /** By name, each suited to the classifier. The first is the default. */
  readonly names: readonly AttackName[];
  /** Those that were trained to aim at no class: they cannot be told a target, whatever the attack can. */
  readonly untargeted: readonly AttackName[];
  /** The norm and eps of requests that name none; the eps goes with this norm alone. */
  readonly norm: Norm;
  readonly eps: number;
  readonly most: Bounds;
}

/** How much a request may ask for. */
export interface Bounds {
  /** Largest eps, by norm. */
  readonly eps: Readonly<Record<Norm, number>>;
  /** Steps of an attack that follows gradients. */
  readonly steps: number;
  /** Queries of an attack that asks for answers alone. */
  readonly queries: number;
  readonly restarts: number;
}
