/** A name from a file in one line: whatever it holds. */
export const shown = (name: string): string => name.replaceAll(/\p{Cc}/gu, '?').slice(0, 200);

/** Something that a model holds and the builder cannot do. */
export interface Missing {
  /** In words: `operator Einsum is not supported`. */
  readonly what: string;
  /** How many nodes it concerns. */
  readonly count: number;
  /** The first of them. */
  readonly node: string;
}

/** A model that cannot be read, and all that stands in the way. */
export class UnsupportedModelError extends Error {
  readonly missing: readonly Missing[];
  constructor(missing: readonly Missing[]) {
    const list = missing.map(
      ({ what, count, node }) => `${what} (node ${node}${count > 1 ? `, ${count} in all` : ''})`,
    );
    super(
      `decode: ${list.join('; ')}. Export the model again in eval mode, without graph optimisation, in float32`,
    );
    this.name = 'UnsupportedModelError';
    this.missing = missing;
  }
}

/** Gathers what a model lacks, so that it is said at once. */
export class Problems {
  private readonly found = new Map<string, Missing>();

  add(text: string, name: string): void {
    const [what, node] = [shown(text), shown(name)];
    const before = this.found.get(what);
    this.found.set(what, before ? { ...before, count: before.count + 1 } : { what, count: 1, node });
  }

  throwIfAny(): void {
    if (this.found.size > 0) throw new UnsupportedModelError([...this.found.values()]);
  }
}
