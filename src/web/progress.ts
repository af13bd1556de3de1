/** Bytes of a download: those that came, and all. */
export interface Progress {
  readonly loaded: number;
  readonly total: number;
}

/** A file that the page needs, by the name under which its progress is told. */
export interface Needed {
  readonly url: string;
  readonly bytes: number;
}

/** The name of ONNX Runtime's program among the downloads. */
export const runtimeName = 'runtime';

/** How far a page is with everything that it needs, whether it has asked for it yet or not. */
export function progressOf(needed: readonly Needed[], loaded: ReadonlyMap<string, number>): Progress {
  const files = new Map(needed.map(({ url, bytes }) => [url, bytes]));
  let [came, total] = [0, 0];
  for (const [url, bytes] of files) {
    total += bytes;
    came += Math.min(bytes, loaded.get(url) ?? 0);
  }
  return { loaded: came, total };
}
