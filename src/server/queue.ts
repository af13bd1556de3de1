/** What waits: whose it is, and how many images it holds. */
export interface Waiting {
  readonly client: string;
  readonly count: number;
}

/** Requests that wait. Each client has a line of its own, and the lines are served in turn. */
export interface Queue<W extends Waiting> {
  add(one: W): void;
  /** Takes one out. Returns false when it is not there. */
  leave(one: W): boolean;
  /**
   * What goes into the next batch: the first of the client whose turn it is, then one of each client in turn, as long as
   * they fit. They stay in the queue.
   *
   * @param full images of a full batch; one that alone holds more is a batch of its own.
   * @param fits whether one may be done together with the first.
   */
  next(full: number, fits: (one: W, first: W) => boolean): readonly W[];
  /** Images that wait; of one client where it is named. */
  images(client?: string): number;
}

export function createQueue<W extends Waiting>(): Queue<W> {
  /** In the order in which they are served. */
  const lines = new Map<string, Set<W>>();
  let total = 0;
  const sum = (line: Iterable<W>): number => {
    let images = 0;
    for (const { count } of line) images += count;
    return images;
  };
  return {
    add(one) {
      const line = lines.get(one.client) ?? new Set();
      lines.set(one.client, line.add(one));
      total += one.count;
    },
    leave(one) {
      const line = lines.get(one.client);
      if (!line?.delete(one)) return false;
      total -= one.count;
      // to the end: it has had its turn
      lines.delete(one.client);
      if (line.size > 0) lines.set(one.client, line);
      return true;
    },
    next(full, fits) {
      const chosen: W[] = [];
      let images = 0;
      const takes = (one: W): boolean =>
        chosen.length === 0 || (fits(one, chosen[0]!) && images + one.count <= full);
      let turns = Array.from(lines.values(), (line) => line.values());
      while (turns.length > 0) {
        turns = turns.filter((turn) => {
          if (images >= full) return false;
          for (let next = turn.next(); !next.done; next = turn.next()) {
            if (!takes(next.value)) continue;
            chosen.push(next.value);
            images += next.value.count;
            return true;
          }
          return false;
        });
      }
      return chosen;
    },
    images: (client) => (client === undefined ? total : sum(lines.get(client) ?? [])),
  };
}
