import { useMemo } from 'preact/hooks';
import { shownAttacks } from '../attacks.ts';
import { number } from '../format.ts';
import { diverging, grey, type Theme } from '../picture/palette.ts';
import { Pixels } from '../views/pixels.tsx';
import { Trail } from '../views/trail.tsx';
import type { Own, OwnResult } from './own.ts';

/** The picture, what the attack added, and the sum. */
export function OwnPanels({
  own,
  result,
  theme,
}: {
  readonly own: Own;
  readonly result: OwnResult;
  readonly theme: Theme;
}) {
  const { picture, outcome, tried } = result;
  const image = own.understood.value!.image;
  const eps = outcome?.eps ?? 0;
  const palette = useMemo(() => diverging(theme, eps), [theme, eps]);
  const change = useMemo(
    () => outcome?.attacked.map((x, i) => x - picture.values[i]!) ?? null,
    [outcome, picture],
  );
  const title = outcome ? shownAttacks[outcome.method].title : 'the attack';
  const panels = [
    ['Original', picture.values, grey, `The picture ${picture.name}`, picture.name],
    [
      'Change, magnified',
      change,
      palette,
      `What ${title} added`,
      outcome && `${number(1 / (2 * eps), 0)} times as strong as it is`,
    ],
    [
      'Attacked',
      outcome?.attacked ?? null,
      grey,
      `The picture after ${title}`,
      outcome && `L∞ ${number(outcome.linf, 4)}, L2 ${number(outcome.l2, 2)}`,
    ],
  ] as const;
  return (
    <>
      <div class="panels">
        {panels.map(([name, values, colours, label, note], i) => (
          <figure class={i === 0 ? 'panel original' : 'panel'}>
            <figcaption>{name}</figcaption>
            <div class="frame" style={{ aspectRatio: `${image.width} / ${image.height}` }}>
              {values ? (
                <Pixels values={values} image={image} palette={colours} label={label} />
              ) : (
                <div class="nothing">…</div>
              )}
            </div>
            <div class="note">{note}</div>
          </figure>
        ))}
      </div>
      {tried.length > 0 && <Trail tried={tried} say={(one) => `${number(255 * one, 1)}/255`} />}
    </>
  );
}
