import type { ClassifierName } from '../engine/protocol.ts';
import { nameOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { classifierName, percent } from '../format.ts';
import { styleOf, verdict } from '../verdict.ts';

const height = 100;
const width = 27;
/** Room for the axis. */
const axis = 34;

/** What one classifier says of the clean and of the attacked image: two bars a class, or none while that is not known. */
export function Bars({
  name,
  target,
  card,
  label,
  aim,
  before,
  after,
}: {
  readonly name: ClassifierName;
  /** The classifier that the attacks aim at. */
  readonly target: ClassifierName;
  readonly card: ClassifierCard;
  /** The true class; null while nothing is known yet. */
  readonly label: number | null;
  /** The class that is aimed at; null for any wrong one. */
  readonly aim: number | null;
  readonly before: Float32Array | null;
  readonly after: Float32Array | null;
}) {
  const title = classifierName(name, target);
  const own = before && after && label !== null ? verdict(before, after, label, aim) : null;
  const shown = classesShown(card, label, before, after);
  const classes = shown.length;
  const spoken =
    before && after && own
      ? `${title}: before the attack ${nameOf(card, own.before)} with ${percent(before[own.before]!)}, ` +
        `after it ${nameOf(card, own.after)} with ${percent(after[own.after]!)}`
      : `${title}: not computed yet`;
  return (
    <figure class="bars">
      <figcaption>
        <b>{title}</b>
        {own && (
          <span class={`outcome ${styleOf(own.kind)}`}>
            {nameOf(card, own.before)} <span aria-hidden="true">→</span>
            <span class="visually-hidden"> then </span> {nameOf(card, own.after)}
          </span>
        )}
        <span class="role">{roleOf(name, target)}</span>
      </figcaption>
      <svg viewBox={`${-axis} -6 ${axis + classes * width} ${height + 24}`} role="img" aria-label={spoken}>
        {[0, 0.5, 1].map((part) => (
          <g>
            <line
              class="rule"
              x1="0"
              x2={classes * width}
              y1={height * (1 - part)}
              y2={height * (1 - part)}
            />
            <text class="class axis" x="-5" y={height * (1 - part) + 4}>
              {100 * part} %
            </text>
          </g>
        ))}
        {shown.map((one, place) => {
          const x = place * width;
          const [p, q] = [before?.[one] ?? 0, after?.[one] ?? 0];
          const wrong = own && one === own.after && own.after !== label;
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
              <text class={one === label ? 'class true' : 'class'} x={x + 13.5} y={height + 13}>
                {nameOf(card, one).slice(0, 4)}
                {card.labels && <title>{nameOf(card, one)}</title>}
              </text>
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

/** Bars that there is room for. */
const most = 10;

/** The classes that have bars: all, or of many the most probable ones and the true one. */
function classesShown(
  { classes }: ClassifierCard,
  label: number | null,
  before: Float32Array | null,
  after: Float32Array | null,
): readonly number[] {
  const all = Array.from({ length: classes }, (_, one) => one);
  if (classes <= most) return all;
  const weight = (one: number): number =>
    one === label ? 2 : Math.max(before?.[one] ?? 0, after?.[one] ?? 0);
  return all
    .toSorted((a, b) => weight(b) - weight(a))
    .slice(0, most)
    .toSorted((a, b) => a - b);
}

function roleOf(name: ClassifierName, target: ClassifierName): string {
  if (name === target)
    return name === 'c1' ? 'C1: the attacks aim at it' : 'C1, which learned from the attacks: they aim at it';
  if (name === 'c1') return 'C1, trained on clean images only';
  return name === 'c2' ? 'C2: no attack has ever seen it' : 'C1, trained against its attacker';
}
