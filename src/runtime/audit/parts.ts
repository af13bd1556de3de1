import type { Safetensors } from '../safetensors.ts';

/** The finished parts of an audit, so that an interrupted one resumes from them. */
export interface Parts {
  /** What was kept of a part; undefined when nothing was, or it is damaged. */
  find(name: string): Promise<Safetensors | undefined>;
  /** Keeps a finished part. Never fails: the audit can do without. */
  keep(name: string, part: Safetensors): Promise<void>;
}

/** Keeps nothing. */
export const noParts: Parts = { find: () => Promise.resolve(undefined), keep: () => Promise.resolve() };
