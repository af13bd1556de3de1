import type { ModelRef } from '../../engine/protocol.ts';
import type { OwnMethod } from '../../own/methods.ts';

/** Images to attack, and classifiers to attack and to judge by. A newer request ends an older one. */
export interface TransferRequest {
  readonly job: number;
  readonly classifiers: readonly ModelRef[];
  /** Values in 0..1, image after image. */
  readonly images: Float32Array;
  /** The true class of each image. */
  readonly labels: Int32Array;
  readonly method: OwnMethod;
  readonly eps: number;
  readonly clip: boolean;
  readonly seed: number;
}

/** What images were made on: nothing for the images as they are and for noise, else the classifier of this number. */
export type MadeOn = 'clean' | 'noise' | number;

/** The part of the images that each of the classifiers reads right, in 0..1. */
export type Accuracies = readonly number[];

export type TransferReply =
  | { readonly kind: 'step'; readonly job: number; readonly on: MadeOn; readonly step: number }
  | { readonly kind: 'row'; readonly job: number; readonly on: MadeOn; readonly accuracies: Accuracies }
  /** No images can be made on a classifier: why, in one line. */
  | { readonly kind: 'none'; readonly job: number; readonly on: number; readonly why: string }
  | { readonly kind: 'done'; readonly job: number }
  | { readonly kind: 'broken'; readonly job: number; readonly message: string };
