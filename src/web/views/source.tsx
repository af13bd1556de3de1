import type { Demo } from '../demo.ts';
import { readsDigits } from '../digits/shape.ts';
import { ClassSelect } from './class-select.tsx';
import { Picker } from './picker.tsx';

/** The sample images to pick from, and the true class. */
export function SourceControls({ demo }: { readonly demo: Demo }) {
  const { label, pixels } = demo.choice.value;
  const { thing } = demo.words;
  return (
    <section class="block" aria-labelledby="source-title">
      <h2 id="source-title">{thing === 'digit' ? 'Digits' : 'Images'}</h2>
      {demo.digits.length > 0 ? <Picker demo={demo} /> : <p class="fine">{demo.data.noSamples}</p>}
      {readsDigits(demo.card) ? (
        <p id="pad-help" class="fine">
          <span class="fine-pointer">Draw on the original, or drop a picture anywhere.</span>
          <span class="touch">Tap Draw to draw on the original with a finger, or open a picture.</span>
          <span class="fine-pointer">
            {' '}
            With the keyboard: arrows move the pen, Space draws, Shift draws along, Backspace erases.
          </span>
        </p>
      ) : (
        <p class="fine">Or open a picture, or drop one anywhere.</p>
      )}
      <ClassSelect
        title={`True ${thing === 'digit' ? 'digit' : 'class'}`}
        card={demo.card}
        value={label}
        none="what the classifier reads"
        onChange={(value) => demo.show({ label: value, pixels }, true)}
      />
    </section>
  );
}
