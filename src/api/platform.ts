/** What differs between Node and a browser. */
export interface Platform {
  /** The bytes of a model that is not in memory. */
  readonly read: (source: string) => Promise<Uint8Array>;
  /** How many threads a session takes when nobody says. */
  readonly threads: () => number;
  /** Called with the number of threads before a session is opened. */
  readonly prepare: (threads: number) => void;
  /** Does work of ONNX Runtime, after the work before it where there can be only one at a time. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}
