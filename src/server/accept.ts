import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import { Problem } from './problem.ts';

/**
 * The type of answer that a client likes best, JSON where it likes any. Throws Problem `not-acceptable`.
 *
 * @param supports the types that there are.
 */
export function formatOf<Type extends string>(c: Context, supports: readonly Type[]): Type {
  // an empty header names nothing, as an absent one does
  const given = c.req.header('accept')?.trim() || '*/*';
  const format = accepts(c, {
    header: 'Accept',
    supports: [...supports],
    default: /\*\/\*(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(given) ? 'application/json' : 'none',
  });
  const found = supports.find((type) => type === format);
  if (found !== undefined) return found;
  throw new Problem('not-acceptable', `answers are ${supports.join(' or ')}`, {
    errors: [
      {
        field: 'Accept',
        message: 'No such answer',
        value: given.slice(0, 60),
        limit: supports,
      },
    ],
  });
}
