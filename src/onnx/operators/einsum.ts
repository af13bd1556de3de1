import type { Value } from '../../builder/ir.ts';
import { matmul, reduceSum, transpose } from '../../builder/ops.ts';
import { sizeOf, type Dim } from '../../builder/shape.ts';
import type { Family, Foreign } from '../foreign.ts';
import { reshapeAs } from './movement.ts';

type Letters = readonly string[];

/** A value with a letter for each axis. */
interface Lettered {
  readonly value: Value;
  readonly letters: Letters;
}

const common = (a: Letters, b: Letters): Letters => a.filter((letter) => b.includes(letter));
const without = (a: Letters, b: Letters): Letters => a.filter((letter) => !b.includes(letter));

/** Axes in the order of `wanted`, which holds the same letters. */
const arranged = ({ value, letters }: Lettered, wanted: Letters): Value =>
  letters.join('') === wanted.join('')
    ? value
    : transpose(
        value,
        wanted.map((letter) => letters.indexOf(letter)),
      );

/** Sums over the letters that nobody asks for. */
function summed({ value, letters }: Lettered, kept: Letters): Lettered {
  const gone = letters.flatMap((letter, i) => (kept.includes(letter) ? [] : [i]));
  if (gone.length === 0) return { value, letters };
  return { value: reduceSum(value, { axes: gone }), letters: common(letters, kept) };
}

/** Two operands as a product of matrices: [batch, rows, inner] times [batch, inner, columns]. */
function multiplied(a: Lettered, b: Lettered, kept: Letters): Lettered {
  const left = summed(a, [...b.letters, ...kept]);
  const right = summed(b, [...a.letters, ...kept]);
  const both = common(left.letters, right.letters);
  const batch = common(both, kept);
  const inner = without(both, kept);
  const rows = without(left.letters, right.letters);
  const columns = without(right.letters, left.letters);
  const sizes = new Map<string, Dim>();
  for (const { value, letters } of [left, right]) {
    letters.forEach((letter, i) => sizes.set(letter, value.shape[i]!));
  }
  const dims = (letters: Letters): Dim[] => letters.map((letter) => sizes.get(letter)!);
  const size = (letters: Letters): Dim => sizeOf(dims(letters));
  const product = matmul(
    reshapeAs(arranged(left, [...batch, ...rows, ...inner]), [...dims(batch), size(rows), size(inner)]),
    reshapeAs(arranged(right, [...batch, ...inner, ...columns]), [
      ...dims(batch),
      size(inner),
      size(columns),
    ]),
  );
  const letters = [...batch, ...rows, ...columns];
  return { value: reshapeAs(product, dims(letters)), letters };
}

/** What an equation without an arrow gives: the letters that stand in it once, in the alphabet's order. */
const implied = (letters: Letters): Letters =>
  letters.filter((letter) => letters.filter((other) => other === letter).length === 1).toSorted();

/** Einsum without a letter twice in one operand: products of matrices, sums and transpositions. */
function einsum({ inputs, text }: Foreign): Value {
  const equation = text('equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->') as [string, string?];
  const terms = left.split(',').map((term) => term.split(''));
  const out = right?.split('') ?? implied(terms.flat());
  const isPlain = (term: Letters): boolean =>
    term.every((letter) => /[a-zA-Z]/.test(letter)) && new Set(term).size === term.length;
  const fits = terms.length === inputs.length && terms.every((t, i) => t.length === inputs[i]!.shape.length);
  if (![...terms, out].every(isPlain) || !fits || without(out, terms.flat()).length > 0) {
    throw new Error(`equation ${equation} is not supported`);
  }
  const operands = terms.map((letters, i): Lettered => ({ letters, value: inputs[i]! }));
  const total = operands.reduce((a, b, i) => multiplied(a, b, [...out, ...terms.slice(i + 1).flat()]));
  return arranged(summed(total, out), out);
}

export const products: Family = { Einsum: { 12: einsum } };
