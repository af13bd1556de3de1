import { nameOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { percent } from '../format.ts';
import { highest } from '../verdict.ts';
import type { OwnResult } from './own.ts';

/** Classes that there is room for. */
const most = 6;

/** The likeliest classes before and after. */
export function ClassTable({ result, card }: { readonly result: OwnResult; readonly card: ClassifierCard }) {
  const { before, label } = result;
  const after = result.outcome?.after ?? null;
  const weight = (one: number): number => Math.max(before[one]!, after?.[one] ?? 0);
  const shown = Array.from(before.keys())
    .toSorted((a, b) => weight(b) - weight(a))
    .slice(0, most);
  const wrong = after && highest(after) !== label ? highest(after) : null;
  return (
    <table class="class-table">
      <caption>What the model says</caption>
      <thead>
        <tr>
          <th scope="col">Class</th>
          <th scope="col" class="number">
            Before
          </th>
          <th scope="col" class="number">
            After
          </th>
        </tr>
      </thead>
      <tbody>
        {shown.map((one) => (
          <tr>
            <th scope="row">{nameOf(card, one)}</th>
            <Part value={before[one]!} kind="before" />
            <Part value={after?.[one] ?? null} kind={one === wrong ? 'after wrong' : 'after'} />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const Part = ({ value, kind }: { readonly value: number | null; readonly kind: string }) => (
  <td class="number part">
    {value === null ? '…' : percent(value)}
    <span class={`bar ${kind}`} style={{ width: `${100 * (value ?? 0)}%` }} />
  </td>
);
