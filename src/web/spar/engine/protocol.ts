import type { SparSettings } from '../settings.ts';

export type SparRequest =
  /** Begins anew: both classifiers learn to read, then A begins. */
  | { readonly kind: 'restart'; readonly settings: SparSettings }
  /** What is trained goes on with other settings; seed and width take a restart. */
  | { readonly kind: 'change'; readonly settings: SparSettings }
  | { readonly kind: 'play' }
  | { readonly kind: 'pause' }
  /** One step, and what it has changed. */
  | { readonly kind: 'step' };

/** `school`: both classifiers learn to read clean digits. `spar`: A learns to fool C1. */
export type Phase = 'school' | 'spar';

/** Accuracies on test digits that no network has learned from, in 0..1; null while there is none. */
export interface Measured {
  readonly phase: Phase;
  /** Steps of both phases together. */
  readonly step: number;
  readonly c1: { readonly clean: number; readonly attacked: number | null };
  readonly c2: { readonly clean: number; readonly attacked: number | null };
  /** Test digits that were measured. */
  readonly digits: number;
}

/** Ten digits, one of each class, as A attacks them now, and what they are read as. */
export interface Ring {
  /** 10 x 784 values in 0..1. */
  readonly original: Float32Array;
  readonly attacked: Float32Array;
  readonly c1: readonly number[];
  readonly c2: readonly number[];
}

export type SparReply =
  /** The digits are there. */
  | { readonly kind: 'loaded'; readonly train: number; readonly test: number }
  /** A step was done. */
  | {
      readonly kind: 'stepped';
      readonly phase: Phase;
      readonly step: number;
      /** Of the school; 0 once A has begun. */
      readonly left: number;
      readonly milliseconds: number;
    }
  | { readonly kind: 'measured'; readonly measured: Measured; readonly ring: Ring }
  | { readonly kind: 'broken'; readonly message: string };
