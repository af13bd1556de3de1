import type { Configured } from '../../runtime/attacks/index.ts';
import type { ClassifierCard } from '../../runtime/classifier-card.ts';
import type { Method } from '../attacks.ts';

/** What page and worker say to each other. Everything is plain data; arrays are copied, never shared. */

/** How ONNX Runtime computes in a browser. */
export type Backend = 'wasm' | 'webgpu';

/** C1 is what the attacks aim at, C2 never takes part, `alternating` is C1 as alternating training left it. */
export type ClassifierName = 'c1' | 'c2' | 'alternating';

/** Probabilities of the classes by classifier; those that a run does not have are absent. */
export type Predictions = Readonly<Partial<Record<ClassifierName, Float32Array>>>;

/** A model to be fetched, opened once, and kept. */
export interface ModelRef {
  readonly url: string;
  readonly bytes: number;
}

/** Opens the backend; the first message, and the only one of its kind. */
export interface StartRequest {
  readonly kind: 'start';
  readonly backend: Backend;
  /** Of WASM; more than 1 takes a page that is cross-origin isolated. */
  readonly threads: number;
  /** What the addresses of models are relative to. */
  readonly base: string;
}

/** Who takes part in attacks. */
export interface Models {
  readonly attacker: ModelRef;
  readonly classifiers: Readonly<Partial<Record<ClassifierName, ModelRef>>>;
  /** The gradient of the target; null when the run was published without. */
  readonly gradient: ModelRef | null;
}

/** Models that an attack will need. */
export interface LoadRequest {
  readonly kind: 'load';
  readonly models: Models;
}

/** An image to attack in several ways. A newer job ends an older one, except for the older one's first method. */
export interface AttackRequest {
  readonly kind: 'attack';
  readonly job: number;
  /** Its values, in 0..1. */
  readonly image: Float32Array;
  /** What the classifiers read. */
  readonly card: ClassifierCard;
  /** The true class; null to take what the target says of the clean image. */
  readonly label: number | null;
  /** The class that the image is to be taken for; null for any wrong one. */
  readonly aim: number | null;
  readonly eps: number;
  readonly clip: boolean;
  readonly bits: 8 | null;
  readonly models: Models;
  /** What the attacker's perturbation is multiplied by: 1 at the eps that it was trained for. */
  readonly scale: number;
  /** The classifier under attack: the attacker was trained against it, and gradients are of it. */
  readonly target: ClassifierName;
  /** In this order; the attacker last while its file is still on its way. */
  readonly attacks: readonly Configured<Method>[];
  /** Where random numbers come from. */
  readonly seed: number;
}

export type Request = StartRequest | LoadRequest | AttackRequest;

/** One attacked image, and what it took. */
export interface Outcome {
  readonly method: Method;
  /** As the method gives it, before clipping and rounding; as many values, in [-eps, eps]. */
  readonly perturbation: Float32Array;
  readonly attacked: Float32Array;
  readonly linf: number;
  readonly l2: number;
  readonly predictions: Predictions;
  /** Of the attack alone, without classifying its result; null when it was not timed here. */
  readonly milliseconds: number | null;
  readonly gradientSteps: number;
}

/** What every worker says of its start. */
export type StartReply =
  | { readonly kind: 'ready'; readonly backend: Backend; readonly threads: number }
  | { readonly kind: 'download'; readonly url: string; readonly loaded: number }
  /** The backend does not work here; nothing else comes. */
  | { readonly kind: 'unavailable'; readonly message: string }
  | { readonly kind: 'failed'; readonly job: number | null; readonly message: string };

export type Reply =
  | StartReply
  | {
      readonly kind: 'clean';
      readonly job: number;
      readonly label: number;
      readonly predictions: Predictions;
    }
  | { readonly kind: 'attacked'; readonly job: number; readonly outcome: Outcome }
  | { readonly kind: 'done'; readonly job: number };
