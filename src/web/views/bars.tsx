import type { ClassifierName } from '../engine/protocol.ts';
import { classifierNames, percent } from '../format.ts';
import { verdict } from '../verdict.ts';

const roles: Readonly<Record<ClassifierName, string>> = {
  c1: 'the attacks aim at it',
  c2: 'never seen by an attack',
  alternating: 'trained against its attacker',
};

const height = 100;
const width = 27;

/** What one classifier says of the clean and of the attacked image: two bars a class. */
export function Bars({
  name,
  target,
  label,
  before,
  after,
}: {
  readonly name: ClassifierName;
  /** Whether the attacks aim at this classifier. */
  readonly target: boolean;
  /** The true class; null while nothing is known yet. */
  readonly label: number | null;
  readonly before: Float32Array;
  readonly after: Float32Array;
}) {
  const own = verdict(before, after, label ?? 0);
  const role = target ? roles.c1 : name === 'c1' ? 'trained on clean images' : roles[name];
  const spoken =
    `${classifierNames[name]}: before the attack ${own.before} with ${percent(before[own.before]!)}, ` +
    `after it ${own.after} with ${percent(after[own.after]!)}`;
  return (
    <figure class="bars">
      <figcaption>
        <b>{classifierNames[name]}</b>
        {label !== null && (
          <span class={`outcome ${own.kind.replace(' ', '-')}`}>
            {own.before} <span aria-hidden="true">→</span>
            <span class="visually-hidden"> then </span> {own.after}
          </span>
        )}
        <span class="role">{role}</span>
      </figcaption>
      <svg viewBox={`0 -4 ${10 * width} ${height + 22}`} role="img" aria-label={spoken}>
        {[0, 0.5, 1].map((part) => (
          <line class="rule" x1="0" x2={10 * width} y1={height * (1 - part)} y2={height * (1 - part)} />
        ))}
        {Array.from(before, (p, digit) => {
          const x = digit * width;
          const q = after[digit]!;
          const wrong = digit === own.after && own.after !== label;
          return (
            <g>
              <rect class="before" x={x + 4} width="9" y={height * (1 - p)} height={height * p} />
              <rect
                class={wrong ? 'after wrong' : 'after'}
                x={x + 14.5}
                width="9"
                y={height * (1 - q)}
                height={height * q}
              />
              <text class={digit === label ? 'class true' : 'class'} x={x + 13.5} y={height + 13}>
                {digit}
              </text>
            </g>
          );
        })}
      </svg>
    </figure>
  );
}
