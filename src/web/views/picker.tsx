import { useRef } from 'preact/hooks';
import { pictureOf, type Demo } from '../demo.ts';
import type { Digit } from '../samples.ts';
import { grey } from '../picture/palette.ts';
import { Pixels } from './pixels.tsx';

const columns = 10;

/** The sample images, class by class: one stop of the tab key, arrows move between them. */
export function Picker({ demo }: { readonly demo: Demo }) {
  const { source } = demo.choice.value;
  const chosen = source.kind === 'digit' ? demo.digits.findIndex(({ index }) => index === source.index) : -1;
  const grid = useRef<HTMLDivElement>(null);
  const pick = (digit: Digit | undefined): void => {
    if (!digit) return;
    demo.show(pictureOf(digit));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.max(0, chosen) + step;
    pick(demo.digits[next]);
    grid.current!.querySelectorAll<HTMLElement>('button')[next]?.focus();
  };
  return (
    <div
      ref={grid}
      class="picker"
      role="radiogroup"
      aria-label={demo.words.thing === 'digit' ? 'Digits of MNIST’s test set' : 'Images of the test set'}
      onKeyDown={onKeyDown}
    >
      {demo.digits.map((digit, i) => (
        <button
          key={digit.index}
          type="button"
          role="radio"
          aria-checked={i === chosen}
          aria-label={`${digit.label}, test image ${digit.index}`}
          tabIndex={i === Math.max(0, chosen) ? 0 : -1}
          onClick={() => pick(digit)}
        >
          <Pixels values={digit.pixels} image={demo.card.image} palette={grey} />
        </button>
      ))}
    </div>
  );
}

const steps: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  ArrowUp: -columns,
  ArrowDown: columns,
};
