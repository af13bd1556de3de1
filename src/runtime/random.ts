import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** A stream of random numbers; each call takes the next ones. */
export interface Random {
  /** A multiple of 2^-24 in [0, 1), all equally likely; every one is exact in float32. */
  readonly uniform: () => number;
  /**
   * A number from the normal distribution of mean 0 and variance 1, at most 5.77 from 0. Alone among the methods
   * it calls `Math.log` and `Math.cos`, whose last bit the language leaves to the engine.
   */
  readonly normal: () => number;
  /** An integer in 0..n-1, all equally likely; `n` is an integer in 1..2^32. */
  readonly below: (n: number) => number;
}

/**
 * The stream of random numbers at a path, such as `stream(seed, 'init', name)`: xoroshiro128+ whose 128 bits of
 * state are four hashes of the path. Equal paths give equal streams, on every platform; different paths give
 * unrelated ones, so that a use of randomness added here never shifts the numbers drawn there. The number 1 and
 * the string '1' are different.
 *
 * @param path finite numbers and strings.
 */
export function stream(...path: readonly (string | number)[]): Random {
  const key = JSON.stringify(path);
  const generator = xoroshiro128plusFromState([hash(key, 1), hash(key, 2), hash(key, 3), hash(key, 4)]);
  // The upper bits: the lowest ones of xoroshiro128+ are its weakest.
  const uniform = (): number => (generator.next() >>> 8) * 2 ** -24;
  return {
    uniform,
    normal: () => normalFrom(uniform),
    below: (n) => uniformInt(generator, 0, n - 1),
  };
}

/**
 * A number from the normal distribution of mean 0 and variance 1, made of two of `uniform` (Box and Muller 1958). The
 * cosine alone: keeping the sine for the next call would be a hidden state.
 */
export const normalFrom = (uniform: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

/**
 * A random order of 0..n-1, all equally likely (Fisher and Yates).
 *
 * @param n an integer in 0..2^32.
 */
export function permutation(n: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, index) => index);
  for (let last = n - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const value = order[last]!;
    order[last] = order[other]!;
    order[other] = value;
  }
  return order;
}

/**
 * Fills `target` with `low + (high - low) * random.uniform()`, rounded to float32, which can round up to `high`.
 *
 * @param low finite, as is `high`.
 */
export function fillUniform(target: Float32Array, low: number, high: number, random: Random): void {
  const range = high - low;
  for (let index = 0; index < target.length; index++) target[index] = low + range * random.uniform();
}

/** Fills `target` with bytes, all equally likely: three of each number. */
export function fillBytes(target: Uint8Array, random: Random): void {
  for (let index = 0; index < target.length; index += 3) {
    const bits = random.uniform() * 2 ** 24;
    target[index] = bits;
    if (index + 1 < target.length) target[index + 1] = bits >>> 8;
    if (index + 2 < target.length) target[index + 2] = bits >>> 16;
  }
}

/** MurmurHash3_x86_32 (Appleby 2011) with each UTF-16 code unit as a block of its own; a signed 32-bit integer. */
function hash(text: string, seed: number): number {
  let h = seed;
  for (let index = 0; index < text.length; index++) {
    const k = Math.imul(text.charCodeAt(index), 0xcc9e2d51);
    h ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64;
  }
  h ^= text.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
