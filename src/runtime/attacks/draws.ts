import { stream, type Random } from '../random.ts';

/** The random numbers of one attack on one data set: an image's numbers depend on its place there, not on its batch. */
export interface Draws {
  /**
   * The numbers of the image at `place` in the stream under `path`, which runs through the data set and holds `length`
   * numbers an image: `uniform` of a {@link Random}, to be called `length` times at most and before the next call.
   *
   * Asking in the order of the places is fastest; a step back begins the stream again.
   */
  at(path: readonly (string | number)[], place: number, length: number): Random['uniform'];
  /** A stream that the image at `place` has to itself, from its beginning: for attacks that draw as they go. */
  own(path: readonly (string | number)[], place: number): Random;
}

/** The random numbers of an attack, the same for the same seed and name. */
export function drawsOf(seed: number, attack: string): Draws {
  const streams = new Map<string, { readonly uniform: Random['uniform']; drawn: number }>();
  return {
    at(path, place, length) {
      const key = JSON.stringify(path);
      const start = place * length;
      let held = streams.get(key);
      if (!held || held.drawn > start) {
        held = { uniform: stream(seed, attack, ...path).uniform, drawn: 0 };
        streams.set(key, held);
      }
      const { uniform } = held;
      for (; held.drawn < start; held.drawn++) uniform();
      return () => {
        held.drawn++;
        return uniform();
      };
    },
    own: (path, place) => stream(seed, attack, ...path, 'image', place),
  };
}
