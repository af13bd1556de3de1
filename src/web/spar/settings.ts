import type { Backend } from '../engine/protocol.ts';

/** Whether C1 stays as it is while A learns, or learns from A's attacks at the same time. */
export type Mode = 'consecutive' | 'alternating';

/** How often what happens is measured and shown. */
export type Speed = 'slow' | 'normal' | 'fast';

/** Everything that can be set. */
export interface SparSettings {
  readonly mode: Mode;
  /** Largest change of a pixel, in 0..1. */
  readonly eps: number;
  /** Of Adam, for A and C1 alike. */
  readonly learningRate: number;
  /** Channels of A's first convolution; the paper's attacker has 64. */
  readonly width: number;
  /** What all random numbers come from. */
  readonly seed: number;
  readonly speed: Speed;
}

export const modes: readonly Mode[] = ['consecutive', 'alternating'];
export const speeds: readonly Speed[] = ['slow', 'normal', 'fast'];
export const widths: readonly number[] = [4, 8, 16, 32, 64];
export const learningRates: readonly number[] = [0.0005, 0.001, 0.002, 0.005, 0.01];
export const mostEps = 0.3;

export const startSettings: SparSettings = {
  mode: 'consecutive',
  eps: 0.16,
  learningRate: 0.005,
  width: 8,
  seed: 1,
  speed: 'normal',
};

/** Parts of the view that a link can hide, for lessons. */
export const hideable = ['mode', 'eps', 'rate', 'width', 'seed', 'speed', 'step', 'restart', 'text'] as const;
export type Hideable = (typeof hideable)[number];

/** What the address of the view holds. */
export interface SparLink {
  readonly settings: SparSettings;
  /** Null to let the page choose. */
  readonly backend: Backend | null;
  readonly hidden: readonly Hideable[];
}

/** The part of an address after `#`. */
export function toSparHash({ settings, backend, hidden }: SparLink): string {
  const { mode, eps, learningRate, width, seed, speed } = settings;
  const parts = new URLSearchParams({
    mode,
    eps: String(eps),
    rate: String(learningRate),
    width: String(width),
    seed: String(seed),
    speed,
    ...(backend && { backend }),
    ...(hidden.length > 0 && { hide: hidden.join() }),
  });
  // commas are legal there, and a teacher writes them by hand
  return `spar&${parts.toString().replaceAll('%2C', ',')}`;
}

/** What an address holds; what is missing or makes no sense is as it is at first. */
export function fromSparHash(hash: string): SparLink {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const one = <T extends string>(name: string, values: readonly T[]): T | undefined =>
    values.find((value) => value === parts.get(name));
  const some = (name: string, holds: (value: number) => boolean): number | undefined => {
    const text = parts.get(name);
    const value = text?.trim() ? Number(text) : NaN;
    return holds(value) ? value : undefined;
  };
  const { mode, eps, learningRate, width, seed, speed } = startSettings;
  const hidden = (parts.get('hide') ?? '').split(',');
  return {
    settings: {
      mode: one('mode', modes) ?? mode,
      eps: some('eps', (value) => value > 0 && value <= mostEps) ?? eps,
      learningRate: some('rate', (value) => learningRates.includes(value)) ?? learningRate,
      width: some('width', (value) => widths.includes(value)) ?? width,
      seed: some('seed', (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31) ?? seed,
      speed: one('speed', speeds) ?? speed,
    },
    backend: one<Backend>('backend', ['wasm', 'webgpu']) ?? null,
    hidden: hideable.filter((name) => hidden.includes(name)),
  };
}
