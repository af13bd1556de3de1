import type { Batch, Images, Oracle } from '../attacks/index.ts';
import type { ImageSource } from '../data/source.ts';
import type { Safetensors, Tensor } from '../safetensors.ts';
import type { Queries } from './oracle.ts';
import type { Parts } from './parts.ts';
import type { AuditPlan } from './plan.ts';

/** What every step of an audit works with. */
export interface Work {
  readonly oracle: Oracle;
  readonly queries: () => Queries;
  readonly source: ImageSource;
  readonly plan: AuditPlan;
  readonly parts: Parts;
  readonly signal: AbortSignal;
}

/** What an audit says while it runs. */
export type AuditEvent =
  | { readonly kind: 'progress'; readonly title: string; readonly done: number; readonly total: number }
  /** A figure that is final: the accuracy on so many images, without an attack or under one. */
  | {
      readonly kind: 'figure';
      readonly title: string;
      readonly given: 'all' | 'left';
      readonly right: number;
      readonly images: number;
    };

/** The images of a source at some places, to be attacked. */
export async function batchAt(source: ImageSource, places: readonly number[]): Promise<Batch> {
  const { image, label } = await source.read(places);
  return {
    images: { data: image.data, shape: image.shape } as Images,
    labels: label.data as Int32Array,
    places: Int32Array.from(places),
  };
}

/** A part to keep. */
export const partOf = (
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Safetensors => ({ tensors: new Map(Object.entries(tensors)), metadata });
