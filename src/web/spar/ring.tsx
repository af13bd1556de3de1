import { useMemo } from 'preact/hooks';
import { digitShape } from '../digits/shape.ts';
import { grey } from '../picture/palette.ts';
import { Pixels } from '../views/pixels.tsx';
import type { Phase, Ring } from './engine/protocol.ts';

const size = digitShape.width * digitShape.height;

/** Ten digits as they are and as the attacker changes them now, and what the two read. */
export function RingOfTen({ ring, phase }: { readonly ring: Ring; readonly phase: Phase }) {
  return (
    <figure class="ring">
      <figcaption>
        {phase === 'spar' ? 'Ten digits, attacked now' : 'Ten digits, not attacked yet'}
      </figcaption>
      <div class="ten">
        {ring.c1.map((read, digit) => (
          <Digit key={digit} ring={ring} digit={digit} target={read} bystander={ring.c2[digit]!} />
        ))}
      </div>
      <p class="fine">
        Below each: what the target reads, and in brackets the bystander. Wrong answers are red.
      </p>
    </figure>
  );
}

function Digit({
  ring,
  digit,
  target,
  bystander,
}: {
  readonly ring: Ring;
  readonly digit: number;
  readonly target: number;
  readonly bystander: number;
}) {
  const values = useMemo(() => ring.attacked.subarray(digit * size, (digit + 1) * size), [ring, digit]);
  const classOf = (read: number): string => (read === digit ? 'read' : 'read wrong');
  return (
    <div class="one">
      <Pixels
        values={values}
        image={digitShape}
        palette={grey}
        label={`A ${digit}, read as ${target} by the target and as ${bystander} by the bystander`}
      />
      <span aria-hidden="true">
        <b class={classOf(target)}>{target}</b> <span class={classOf(bystander)}>({bystander})</span>
      </span>
    </div>
  );
}
