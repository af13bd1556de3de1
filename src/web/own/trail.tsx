import { number } from '../format.ts';
import type { Tried } from '../smallest.ts';

const [width, height] = [600, 34];

/** What a search for the smallest eps has tried, on the scale from 0 to the largest. */
export function Trail({ tried }: { readonly tried: readonly Tried[] }) {
  const most = Math.max(...tried.map(({ eps }) => eps));
  const last = tried.at(-1)!;
  return (
    <svg
      class="trail"
      viewBox={`-12 0 ${width + 24} ${height}`}
      role="img"
      aria-label={`Tried ${tried.length} sizes of the change; the last, ${number(255 * last.eps, 1)} of 255, ${last.fooled ? 'fooled' : 'did not fool'}`}
    >
      <line class="rule" x1="0" x2={width} y1="10" y2="10" />
      {tried.map(({ eps, fooled }) => (
        <circle class={fooled ? 'fooled' : 'held'} cx={(width * eps) / most} cy="10" r="6" />
      ))}
      <text x="0" y={height - 2}>
        0
      </text>
      <text class="end" x={width} y={height - 2}>
        {number(255 * most, 0)}/255
      </text>
    </svg>
  );
}
