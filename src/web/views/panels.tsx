import { useSignal, type Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { ImageShape } from '../../runtime/attacks/images.ts';
import type { Demo } from '../demo.ts';
import { shownAttacks } from '../attacks.ts';
import { Pad } from '../digits/pad.tsx';
import { readsDigits } from '../digits/shape.ts';
import { number } from '../format.ts';
import { diverging, grey, type Theme } from '../picture/palette.ts';
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
  const signed = useMemo(() => diverging(theme, eps), [theme, eps]);
  const { image } = demo.card;
  const draws = readsDigits(demo.card);
  const { title } = shownAttacks[method];
  const inspected = useSignal<number | null>(null);
  const at = inspected.value;
  const inspect = { inspected, image };
  return (
    <div class="panels">
      <Panel
        title="Original"
        className="original"
        inspect={inspect}
        note={<PadNote demo={demo} source={source} drawing={draws ? drawing.value : null} />}
      >
        {draws ? (
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
        ) : (
          <Pixels values={drawn} image={image} palette={grey} label="The original image" />
        )}
      </Panel>
      <Panel
        title="Change"
        more=", magnified"
        className="perturbation"
        inspect={inspect}
        note={<Scale eps={eps} />}
      >
        {change ? (
          <Pixels values={change} image={image} palette={signed} label={`What ${title} adds, signed`} />
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
              {valuesAt(image, at).map((i) => (
                <span>
                  {pixels[i]!.toFixed(3)} {change[i]! < 0 ? '−' : '+'} {Math.abs(change[i]!).toFixed(3)} ={' '}
                  {attacked[i]!.toFixed(3)}{' '}
                </span>
              ))}
            </span>
          )
        }
      >
        {attacked ? (
          <Pixels values={attacked} image={image} palette={grey} label={`The image after ${title}`} />
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
  inspect: { inspected, image },
  children,
}: {
  readonly title: string;
  /** Added to the title where there is room. */
  readonly more?: string;
  readonly className: string;
  readonly note: ComponentChildren;
  /** The place of the pixel under the pointer, and the image it is in. */
  readonly inspect: { readonly inspected: Signal<number | null>; readonly image: ImageShape };
  readonly children: ComponentChildren;
}) {
  const at = inspected.value;
  const { height, width: columns } = image;
  const onPointerMove = (event: PointerEvent): void => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * columns);
    const y = Math.floor(((event.clientY - box.top) / box.height) * height);
    inspected.value = x >= 0 && y >= 0 && x < columns && y < height ? columns * y + x : null;
  };
  return (
    <figure class={`panel ${className}`}>
      <figcaption>
        {title}
        {more && <span class="wide">{more}</span>}
      </figcaption>
      <div
        class="frame"
        style={{ aspectRatio: `${columns} / ${height}` }}
        onPointerMove={onPointerMove}
        onPointerLeave={() => (inspected.value = null)}
      >
        {children}
        {at !== null && (
          <span
            class="crosshair"
            style={{
              width: `${100 / columns}%`,
              height: `${100 / height}%`,
              left: `${(100 * (at % columns)) / columns}%`,
              top: `${(100 * Math.floor(at / columns)) / height}%`,
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
  /** Whether a finger draws; null where nothing can be drawn. */
  readonly drawing: boolean | null;
}) {
  return (
    <>
      {source.kind === 'digit' ? demo.words.source(source.index) : source.name}
      {drawing !== null && (
        <>
          <span class="hint fine-pointer">, draw on it</span>
          <span class="hint touch">{drawing ? ', draw on it' : ', tap Draw to draw on it'}</span>
        </>
      )}
    </>
  );
}

/** Where the values of a pixel are, one a channel. */
const valuesAt = ({ channels, height, width }: ImageShape, at: number): readonly number[] =>
  Array.from({ length: channels }, (_, channel) => channel * height * width + at);

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
