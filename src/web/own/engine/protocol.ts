import type { OpenClassifier } from '../../../api/classifier.ts';
import type { AdoptOptions } from '../../../models/classifier/options.ts';
import type { ClassifierCard } from '../../../runtime/classifier-card.ts';
import type { OwnMethod } from '../methods.ts';

/** Opens a model, and closes the one before. */
export interface OpenRequest {
  readonly kind: 'open';
  readonly model: File;
  /** The files that its weights may lie in. */
  readonly beside: readonly File[];
  readonly options: AdoptOptions;
}

/** A picture, and how it is to be attacked. A newer request ends an older one. */
export interface OwnAttack {
  readonly job: number;
  /** Its values in 0..1, [channel, row, column]. */
  readonly image: Float32Array;
  /** The true class; null to take what the model says. */
  readonly label: number | null;
  /** The class that it is to become; null for any other. */
  readonly target: number | null;
  readonly method: OwnMethod;
  /** The largest change of a value, or the largest that is tried. */
  readonly eps: number;
  readonly seed: number;
}

export type OwnRequest =
  | OpenRequest
  | ({ readonly kind: 'attack' } & OwnAttack)
  /** Looks for the smallest eps at which the attack fools. */
  | ({ readonly kind: 'smallest' } & OwnAttack)
  | { readonly kind: 'stop' };

/** What is known of a model that was opened. */
export interface Understood
  extends ClassifierCard, Pick<OpenClassifier, 'noGradient' | 'gradientEnds' | 'selfCheck'> {
  readonly facts: OpenClassifier['origin']['facts'];
  readonly notes: readonly string[];
  readonly producer: string;
  readonly opset: number | null;
  readonly parameters: number;
  readonly external: readonly string[];
}

/** What became of a picture. */
export interface OwnOutcome {
  readonly method: OwnMethod;
  readonly eps: number;
  readonly attacked: Float32Array;
  readonly after: Float32Array;
  /** Whether the attack reached its goal. */
  readonly success: boolean;
  readonly linf: number;
  readonly l2: number;
  readonly milliseconds: number;
}

export type OwnReply =
  | { readonly kind: 'opened'; readonly understood: Understood }
  | { readonly kind: 'refused'; readonly message: string }
  /** What the model says of the picture as it is. */
  | {
      readonly kind: 'answered';
      readonly job: number;
      readonly before: Float32Array;
      readonly label: number;
    }
  | { readonly kind: 'step'; readonly job: number; readonly step: number }
  | { readonly kind: 'tried'; readonly job: number; readonly eps: number; readonly fooled: boolean }
  | { readonly kind: 'attacked'; readonly job: number; readonly outcome: OwnOutcome }
  /** The work is done; `smallest` is the eps that was found, null where none or none was looked for. */
  | { readonly kind: 'done'; readonly job: number; readonly smallest: number | null }
  | { readonly kind: 'stopped'; readonly job: number }
  | { readonly kind: 'broken'; readonly job: number; readonly message: string };
