/** Files that were dropped together, told apart by their names and types. */
export interface Sorted {
  /** The first ONNX file; null where there is none. */
  readonly model: File | null;
  readonly pictures: readonly File[];
  /** A text file with a class a line; null where there is none. */
  readonly labels: File | null;
  /** All others: weights that a model keeps beside it. */
  readonly beside: readonly File[];
}

/** Tells dropped files apart. */
export function sortFiles(files: readonly File[]): Sorted {
  const is = (pattern: RegExp, { name }: File): boolean => pattern.test(name);
  const models = files.filter((file) => is(/\.onnx$/i, file));
  const pictures = files.filter(
    (file) => file.type.startsWith('image/') || is(/\.(?:png|jpe?g|webp|gif|bmp|avif)$/i, file),
  );
  const texts = files.filter((file) => is(/\.txt$/i, file));
  const taken = new Set([...models, ...pictures, ...texts]);
  return {
    model: models[0] ?? null,
    pictures,
    labels: texts[0] ?? null,
    beside: files.filter((file) => !taken.has(file)),
  };
}

/** The names of classes in a text, one a line; the last line may be empty. */
export const labelsOf = (text: string): readonly string[] => text.trimEnd().split(/\r?\n/);
