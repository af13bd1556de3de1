/** Keys of a file's metadata that are used for the names of classes: Ultralytics, Azure Custom Vision, and others. */
const keys = ['names', 'labels', 'classes', 'class_names', 'categories', 'Labels'] as const;

/**
 * The names of the classes, as a file's metadata has them: a JSON list or object, a Python dict as Ultralytics writes one
 * (`{0: 'cat', 1: 'dog'}`), or one a line; null where there are none.
 */
export function labelsIn(metadata: Readonly<Record<string, string>>): readonly string[] | null {
  for (const key of keys) {
    const labels = listOf(metadata[key]?.trim() ?? '');
    if (labels && labels.length > 1) return labels;
  }
  return null;
}

function listOf(text: string): readonly string[] | null {
  if (text.startsWith('[') || text.startsWith('{')) {
    const parsed = parsedJson(text);
    const entries: unknown = parsed && !Array.isArray(parsed) ? byNumber(parsed) : parsed;
    if (Array.isArray(entries) && entries.every((entry) => typeof entry === 'string')) return entries;
    return pythonDict(text);
  }
  return text.includes('\n') ? text.split(/\r?\n/) : text.includes(',') ? text.split(/\s*,\s*/) : null;
}

function parsedJson(text: string): object | null {
  try {
    return JSON.parse(text) as object;
  } catch {
    return null;
  }
}

const byNumber = (names: object): readonly unknown[] =>
  Object.keys(names).map((_, i) => (names as Record<string, unknown>)[i]);

function pythonDict(text: string): readonly string[] | null {
  const found = [...text.matchAll(/(\d+)\s*:\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g)];
  const names = new Map(found.map(([, at, single, double]) => [Number(at), single ?? double!]));
  const labels = Array.from({ length: names.size }, (_, i) => names.get(i));
  return names.size > 0 && labels.every((name) => name !== undefined) ? labels : null;
}
