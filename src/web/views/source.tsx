import type { Demo } from '../demo.ts';
import { Picker } from './picker.tsx';

/** The sample images to pick from, and the true class. */
export function SourceControls({ demo }: { readonly demo: Demo }) {
  const { label, pixels } = demo.choice.value;
  const { thing } = demo.words;
  const classes = demo.data.samples?.classes ?? classesOf(demo);
  return (
    <section class="block" aria-labelledby="source-title">
      <h2 id="source-title">{thing === 'digit' ? 'Digits' : 'Images'}</h2>
      {demo.digits.length > 0 ? <Picker demo={demo} /> : <p class="fine">{demo.data.noSamples}</p>}
      <p id="pad-help" class="fine">
        <span class="fine-pointer">Draw on the original, or drop a picture anywhere.</span>
        <span class="touch">Tap Draw to draw on the original with a finger, or open a picture.</span>
        <span class="fine-pointer">
          {' '}
          With the keyboard: arrows move the pen, Space draws, Shift draws along, Backspace erases.
        </span>
      </p>
      <label class="field">
        <span>True {thing === 'digit' ? 'digit' : 'class'}</span>
        <select
          value={label === null ? 'auto' : String(label)}
          onChange={(event) => {
            const { value } = event.currentTarget;
            demo.show({ label: value === 'auto' ? null : Number(value), pixels }, true);
          }}
        >
          <option value="auto">what the classifier reads</option>
          {Array.from({ length: classes }, (_, one) => (
            <option value={one}>{one}</option>
          ))}
        </select>
      </label>
    </section>
  );
}

/** As many as the classifiers have, once that is known. */
function classesOf(demo: Demo): number {
  const [one] = Object.values(demo.results.value?.clean?.predictions ?? {});
  return one?.length ?? 10;
}
