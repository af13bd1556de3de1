import { useSignal, type Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Demo } from '../demo.ts';
import { methodNames, number } from '../format.ts';
import { diverging, grey, type Theme } from '../picture/palette.ts';
import { side } from '../picture/stroke.ts';
import { Pad } from './pad.tsx';
import { Pixels } from './pixels.tsx';

/** Original, perturbation and attacked image, side by side. */
export function Panels({
  demo,
  theme,
  erasing,
}: {
  readonly demo: Demo;
  readonly theme: Theme;
  readonly erasing: Signal<boolean>;
}) {
  const { pixels, eps, method } = demo.choice.value;
  const outcome = demo.outcomes.value[method];
  const attacked = outcome?.attacked ?? pixels;
  const change = useMemo(() => attacked.map((x, i) => x - pixels[i]!), [attacked, pixels]);
  const signed = useMemo(() => {
    const colour = diverging(theme);
    return (value: number) => colour(eps > 0 ? value / eps : 0);
  }, [theme, eps]);
  const inspected = useSignal<number | null>(null);
  const at = inspected.value;
  const inspect = { inspected };
  return (
    <div class="panels">
      <Panel
        title="Original"
        className="original"
        inspect={inspect}
        note={<PadNote source={demo.choice.value.source} />}
      >
        <Pad
          pixels={pixels}
          erasing={erasing}
          onDraw={(drawn) =>
            demo.choose({ pixels: drawn, source: { kind: 'own', name: 'drawing' }, label: null })
          }
        />
      </Panel>
      <Panel title="Perturbation" className="perturbation" inspect={inspect} note={<Scale eps={eps} />}>
        <Pixels values={change} colour={signed} label={`What ${methodNames[method]} adds, signed`} />
      </Panel>
      <Panel
        title="Attacked"
        className="attacked"
        inspect={inspect}
        note={
          at === null ? (
            <span class="norms">
              <span>
                L<sub>∞</sub> <b>{outcome ? number(outcome.linf) : '…'}</b>
              </span>
              <span>
                L<sub>2</sub> <b>{outcome ? number(outcome.l2, 2) : '…'}</b>
              </span>
            </span>
          ) : (
            <span class="readout">
              {pixels[at]!.toFixed(3)} {change[at]! < 0 ? '−' : '+'} {Math.abs(change[at]!).toFixed(3)} ={' '}
              {attacked[at]!.toFixed(3)}
            </span>
          )
        }
      >
        <Pixels values={attacked} colour={grey} label={`The image after ${methodNames[method]}`} />
      </Panel>
    </div>
  );
}

function Panel({
  title,
  className,
  note,
  inspect: { inspected },
  children,
}: {
  readonly title: string;
  readonly className: string;
  readonly note: ComponentChildren;
  readonly inspect: { readonly inspected: Signal<number | null> };
  readonly children: ComponentChildren;
}) {
  const at = inspected.value;
  const onPointerMove = (event: PointerEvent): void => {
    const { left, top, width, height } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const x = Math.floor(((event.clientX - left) / width) * side);
    const y = Math.floor(((event.clientY - top) / height) * side);
    inspected.value = x >= 0 && y >= 0 && x < side && y < side ? side * y + x : null;
  };
  return (
    <figure class={`panel ${className}`}>
      <figcaption>{title}</figcaption>
      <div class="frame" onPointerMove={onPointerMove} onPointerLeave={() => (inspected.value = null)}>
        {children}
        {at !== null && (
          <span
            class="crosshair"
            style={{
              left: `${(100 * (at % side)) / side}%`,
              top: `${(100 * Math.floor(at / side)) / side}%`,
            }}
          />
        )}
      </div>
      <div class="note">{note}</div>
    </figure>
  );
}

function PadNote({ source }: { readonly source: Demo['choice']['value']['source'] }) {
  return (
    <>
      {source.kind === 'digit' ? `MNIST test image ${source.index}` : source.name}
      <span class="hint">, draw on it</span>
    </>
  );
}

function Scale({ eps }: { readonly eps: number }) {
  return (
    <span class="scale">
      <span>−{number(eps)}</span>
      <span class="ramp" />
      <span>+{number(eps)}</span>
    </span>
  );
}
