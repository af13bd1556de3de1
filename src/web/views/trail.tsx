import type { Tried } from '../smallest.ts';

const height = 34;

/** What a search for the smallest eps has tried, on the scale from 0 to the largest. */
export function Trail({
  tried,
  width = 600,
  say,
}: {
  readonly tried: readonly Tried[];
  /** Of the scale, about as wide as it is shown: its letters grow with it. */
  readonly width?: number;
  /** An eps as a text. */
  readonly say: (eps: number) => string;
}) {
  const most = Math.max(...tried.map(({ eps }) => eps));
  const last = tried.at(-1)!;
  return (
    <svg
      class="trail"
      viewBox={`-12 0 ${width + 24} ${height}`}
      role="img"
      aria-label={`Tried ${tried.length} sizes of the change; the last, ${say(last.eps)}, ${last.fooled ? 'fooled' : 'did not fool'}`}
    >
      <line class="rule" x1="0" x2={width} y1="10" y2="10" />
      {tried.map(({ eps, fooled }) => (
        <circle class={fooled ? 'fooled' : 'held'} cx={(width * eps) / most} cy="10" r="6" />
      ))}
      <text x="0" y={height - 2}>
        0
      </text>
      <text class="end" x={width} y={height - 2}>
        {say(most)}
      </text>
    </svg>
  );
}
