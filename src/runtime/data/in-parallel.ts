/**
 * Does work on items, `width` of them at a time; the results come in the order of the items.
 *
 * @param work must not fail: it gives a failure as a result.
 */
export async function* inParallel<Item, Result>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void> {
  const running: Promise<Result>[] = [];
  for (const item of items) {
    running.push(work(item));
    if (running.length === width) yield await running.shift()!;
  }
  for (const result of running) yield await result;
}
