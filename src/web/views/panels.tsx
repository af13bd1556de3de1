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
  drawing,
}: {
  readonly demo: Demo;
  readonly theme: Theme;
  readonly erasing: Signal<boolean>;
  readonly drawing: Signal<boolean>;
}) {
  const { method, pixels: drawn, source } = demo.choice.value;
  const shown = demo.results.value;
  // the change and the attacked image are of one original, which for a moment may be an older one than is drawn on
  const { pixels, eps } = shown?.choice ?? demo.choice.value;
  const outcome = shown?.outcomes[method];
  const attacked = outcome?.attacked;
  const change = useMemo(() => attacked?.map((x, i) => x - pixels[i]!), [attacked, pixels]);
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
        note={<PadNote demo={demo} source={source} drawing={drawing.value} />}
      >
        <Pad
          pixels={drawn}
          erasing={erasing}
          drawing={drawing}
          prompt={demo.empty.value ? `${demo.words.draw} here` : null}
          onDraw={(draw, goesOn) =>
            demo.show(
              {
                pixels: draw(demo.choice.peek().pixels),
                source: { kind: 'own', name: 'drawing' },
                label: null,
              },
              goesOn,
            )
          }
        />
      </Panel>
      <Panel
        title="Change"
        more=", magnified"
        className="perturbation"
        inspect={inspect}
        note={<Scale eps={eps} />}
      >
        {change ? (
          <Pixels values={change} colour={signed} label={`What ${methodNames[method]} adds, signed`} />
        ) : (
          <Nothing />
        )}
      </Panel>
      <Panel
        title="Attacked"
        className="attacked"
        inspect={inspect}
        note={
          at === null || !attacked || !change ? (
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
        {attacked ? (
          <Pixels values={attacked} colour={grey} label={`The image after ${methodNames[method]}`} />
        ) : (
          <Nothing />
        )}
      </Panel>
    </div>
  );
}

function Panel({
  title,
  more,
  className,
  note,
  inspect: { inspected },
  children,
}: {
  readonly title: string;
  /** Added to the title where there is room. */
  readonly more?: string;
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
      <figcaption>
        {title}
        {more && <span class="wide">{more}</span>}
      </figcaption>
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

function PadNote({
  demo,
  source,
  drawing,
}: {
  readonly demo: Demo;
  readonly source: Demo['choice']['value']['source'];
  readonly drawing: boolean;
}) {
  return (
    <>
      {source.kind === 'digit' ? demo.words.source(source.index) : source.name}
      <span class="hint fine-pointer">, draw on it</span>
      <span class="hint touch">{drawing ? ', draw on it' : ', tap Draw to draw on it'}</span>
    </>
  );
}

/** Where a picture will be. */
const Nothing = () => <div class="nothing">…</div>;

function Scale({ eps }: { readonly eps: number }) {
  return (
    <span class="scale">
      <span>−{number(eps)}</span>
      <span class="ramp" />
      <span>+{number(eps)}</span>
    </span>
  );
}
