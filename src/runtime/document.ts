import type { z } from 'zod';
import { InputError } from './errors.ts';

/**
 * Reads a document that a version of Sparring wrote, of which `schema` is the number of its form. A field that is not
 * known is left out, so that what a later version adds makes nothing unreadable.
 *
 * @param source its path.
 * @param newest the form that this version writes.
 * @throws InputError in one line when the document is damaged, of another kind, or of a newer form.
 */
export function readDocument<T>(source: string, text: string, type: z.ZodType<T>, newest = 1): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new InputError(`${source}: is not JSON; restore the original file`);
  }
  const form = (json as { readonly schema?: unknown } | null)?.schema;
  if (typeof form === 'number' && form > newest) {
    throw new InputError(
      `${source}: schema ${form} is of a newer version of Sparring than this one, which knows ${newest}; update it`,
    );
  }
  const parsed = type.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError(
    `${source}: ${issue!.path.join('.') || 'the file'}: ${issue!.message}; restore the original file`,
  );
}
