import type { Tensor } from './safetensors.ts';

export type { Tensor } from './safetensors.ts';

/** Tensors by the name they have in a program. */
export type Tensors = ReadonlyMap<string, Tensor>;

/** A float32 tensor. */
export const float32 = (shape: readonly number[], data: Float32Array): Tensor => ({
  dtype: 'float32',
  shape,
  data,
});

/** The number of elements of a known shape. */
export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The tensors under `prefix`, with the prefix taken off. */
export function under(prefix: string, tensors: Tensors): Tensors {
  const inside = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(inside.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** The tensors with `prefix` put before each name. */
export const prefixed = (prefix: string, tensors: Tensors): Tensors =>
  new Map([...tensors].map(([name, tensor]) => [prefix + name, tensor]));
