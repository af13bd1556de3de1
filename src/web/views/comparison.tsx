import { useMemo } from 'preact/hooks';
import { nameOf } from '../../runtime/classifier-card.ts';
import { methods, needsGradients, shownAttacks, type Method } from '../attacks.ts';
import { possibleIn } from '../lineup.ts';
import type { ImageShape } from '../../runtime/attacks/images.ts';
import type { Demo } from '../demo.ts';
import type { ClassifierName, Outcome } from '../engine/protocol.ts';
import { classifierName, duration, number, percent } from '../format.ts';
import { diverging, type Theme } from '../picture/palette.ts';
import { highest, styleOf, verdict } from '../verdict.ts';
import { Pixels } from './pixels.tsx';

/** The attacks, and noise, at equal eps; choosing a row shows it above. */
export function Comparison({ demo, theme }: { readonly demo: Demo; readonly theme: Theme }) {
  const { classifiers, gradient, target } = demo.lineUp.value;
  const { aim } = demo.choice.value;
  const names = Object.keys(classifiers) as ClassifierName[];
  const possible = possibleIn(demo.lineUp.value, demo.choice.value);
  const missing = methods.filter((method) => !gradient && needsGradients(method));
  return (
    <div class="comparison">
      <table>
        <caption>
          Attacks and noise at equal eps <span class="role">choose one to see it above</span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Attack</th>
            {names.map((name) => (
              <th scope="col">{classifierName(name, target)}</th>
            ))}
            <th scope="col" class="number wide">
              L<sub>∞</sub>
            </th>
            <th scope="col" class="number wide">
              L<sub>2</sub>
            </th>
            <th scope="col" class="number steps">
              Gradient steps
            </th>
            <th scope="col" class="number time">
              Time
            </th>
          </tr>
        </thead>
        <tbody>
          {possible.map((method) => (
            <Row key={method} {...{ demo, theme, method, names }} />
          ))}
        </tbody>
      </table>
      {missing.length > 0 && (
        <p class="fine">
          This run was published without gradients, so {listed.format(missing.map(titleOf))} are absent.
        </p>
      )}
      {aim !== null && (
        <p class="fine">
          The trained attacker aims at no class, so it is absent while {demo.words.one(aim)} is aimed at.
        </p>
      )}
    </div>
  );
}

const titleOf = (method: Method): string => shownAttacks[method].title;
const listed = new Intl.ListFormat('en-GB');

function Row({
  demo,
  theme,
  method,
  names,
}: {
  readonly demo: Demo;
  readonly theme: Theme;
  readonly method: Method;
  readonly names: readonly ClassifierName[];
}) {
  const { id, title, about } = shownAttacks[method];
  const { method: chosen } = demo.choice.value;
  const shown = demo.results.value;
  const { pixels, eps, aim } = shown?.choice ?? demo.choice.value;
  const outcome = shown?.outcomes[method];
  const clean = shown?.clean;
  return (
    <tr class={method === chosen ? 'chosen' : ''} onClick={() => demo.choose({ method })}>
      <th scope="row">
        <label>
          <input
            type="radio"
            name="method"
            value={id}
            checked={method === chosen}
            onChange={() => demo.choose({ method })}
          />
          <Thumb outcome={outcome} pixels={pixels} eps={eps} theme={theme} image={demo.card.image} />
          <span>
            {title}
            <span class="role wide">{about}</span>
          </span>
        </label>
      </th>
      {names.map((name) => {
        const [before, after] = [clean?.predictions[name], outcome?.predictions[name]];
        if (!clean || !before || !after) return <td>…</td>;
        const digit = highest(after);
        const { kind } = verdict(before, after, clean.label, aim);
        return (
          <td class={styleOf(kind)}>
            <b>{nameOf(demo.card, digit)}</b>
            <span class="visually-hidden"> with </span> <span class="chance">{percent(after[digit]!)}</span>
          </td>
        );
      })}
      <td class="number wide">{outcome ? number(outcome.linf) : '…'}</td>
      <td class="number wide">{outcome ? outcome.l2.toFixed(2) : '…'}</td>
      <td class="number steps">{outcome ? outcome.gradientSteps : '…'}</td>
      <td class="number time">{timeOf(outcome)}</td>
    </tr>
  );
}

/** A result that came with the page was not timed here. */
const timeOf = (outcome: Outcome | undefined): string =>
  outcome && outcome.milliseconds !== null ? duration(outcome.milliseconds) : '…';

function Thumb({
  outcome,
  pixels,
  eps,
  theme,
  image,
}: {
  readonly outcome: Outcome | undefined;
  readonly pixels: Float32Array;
  readonly eps: number;
  readonly theme: Theme;
  readonly image: ImageShape;
}) {
  const change = useMemo(
    () => (outcome ? outcome.attacked.map((x, i) => x - pixels[i]!) : new Float32Array(pixels.length)),
    [outcome, pixels],
  );
  const palette = useMemo(() => diverging(theme, eps), [theme, eps]);
  return (
    <span class="thumb wide">
      <Pixels values={change} image={image} palette={palette} />
    </span>
  );
}
