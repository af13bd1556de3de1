import { percent } from '../format.ts';
import type { Measured } from './engine/protocol.ts';

const [width, height] = [640, 220];
const [leftOf, below] = [72, 34];

const lines = [
  ['target, clean', 'clean', ({ c1 }: Measured) => c1.clean],
  ['target, attacked', 'attacked', ({ c1 }: Measured) => c1.attacked],
  ['bystander, attacked', 'bystander', ({ c2 }: Measured) => c2.attacked],
] as const;

/** How many digits are read right, over the steps. */
export function Chart({ curve }: { readonly curve: readonly Measured[] }) {
  const last = curve.at(-1);
  const steps = Math.max(100, last?.step ?? 0);
  const x = (step: number): number => (width * step) / steps;
  const y = (part: number): number => height * (1 - part);
  const begin = last?.phase === 'spar' ? curve.findLast(({ c1 }) => c1.attacked === null) : undefined;
  const parts = lines.map(([name, kind, of]) => {
    const part = last ? of(last) : null;
    return { name, kind, text: part === null ? null : percent(part) };
  });
  const spoken = parts.map(({ name, text }) => `${name}: ${text ?? 'none yet'}`).join('; ');
  return (
    <figure class="curve">
      <figcaption>
        Digits read right
        {last && <span class="role">, of {last.digits} that no network learns from</span>}
      </figcaption>
      <p class="curve-legend" aria-hidden="true">
        {parts.map(({ name, kind, text }) => (
          <span class={kind}>
            <svg viewBox="0 0 24 6">
              <polyline points="0,3 24,3" />
            </svg>
            {name} <b>{text}</b>
          </span>
        ))}
      </p>
      <svg
        class="plot"
        viewBox={`${-leftOf} -18 ${leftOf + width + 12} ${18 + height + below}`}
        role="img"
        aria-label={`Digits read right after ${last?.step ?? 0} steps. ${spoken}`}
      >
        {[0, 0.5, 1].map((part) => (
          <g>
            <line class="rule" x1="0" x2={width} y1={y(part)} y2={y(part)} />
            <text class="tick-text end" x="-6" y={y(part) + 5}>
              {100 * part} %
            </text>
          </g>
        ))}
        {begin && (
          <g>
            <line class="rule begin" x1={x(begin.step)} x2={x(begin.step)} y1="0" y2={height} />
            <text class="tick-text" x={0} y={height + 26}>
              attacker begins at step {begin.step}
            </text>
          </g>
        )}
        <text class="tick-text end" x={width} y={height + 26}>
          step {steps}
        </text>
        {lines.map(([, kind, of]) => {
          const points = curve.flatMap((one) => {
            const part = of(one);
            return part === null ? [] : [`${x(one.step).toFixed(1)},${y(part).toFixed(1)}`];
          });
          // one point alone shows as a dot, by the round ends of a line without length
          return <polyline class={kind} points={[...points, ...points.slice(-1)].join(' ')} />;
        })}
      </svg>
    </figure>
  );
}
