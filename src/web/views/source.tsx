import type { Signal } from '@preact/signals';
import type { Demo } from '../demo.ts';
import { centred } from '../picture/fit.ts';
import { side } from '../picture/stroke.ts';
import { Picker } from './picker.tsx';

/** Where the digit comes from: the test set, a file, or the person's own hand. */
export function SourceControls({
  demo,
  erasing,
  onFile,
}: {
  readonly demo: Demo;
  readonly erasing: Signal<boolean>;
  readonly onFile: (file: File) => void;
}) {
  const { pixels, label } = demo.choice.value;
  const own = (drawn: Float32Array): void =>
    demo.choose({ pixels: drawn, source: { kind: 'own', name: 'drawing' }, label: null });
  return (
    <section class="block" aria-labelledby="source-title">
      <h2 id="source-title">Digit</h2>
      <Picker demo={demo} />
      <p id="pad-help" class="fine">
        Or draw on the original, or drop a picture anywhere.
        <span class="keys">
          {' '}
          With the keyboard: arrows move the pen, Space draws, Shift draws along, Backspace erases.
        </span>
      </p>
      <div class="row">
        <button type="button" onClick={() => own(new Float32Array(side * side))}>
          Clear
        </button>
        <button type="button" aria-pressed={erasing.value} onClick={() => (erasing.value = !erasing.value)}>
          Eraser
        </button>
        <button
          type="button"
          title="Scale to 20 pixels and centre by mass, as MNIST's digits are"
          onClick={() => own(centred({ width: side, height: side, data: pixels }))}
        >
          Centre
        </button>
        <label class="button">
          Open…
          <input
            class="visually-hidden"
            type="file"
            accept="image/*"
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              if (file) onFile(file);
              event.currentTarget.value = '';
            }}
          />
        </label>
      </div>
      <label class="field">
        <span>True digit</span>
        <select
          value={label === null ? 'auto' : String(label)}
          onChange={(event) => {
            const { value } = event.currentTarget;
            demo.choose({ label: value === 'auto' ? null : Number(value) });
          }}
        >
          <option value="auto">what the classifier reads</option>
          {Array.from({ length: 10 }, (_, digit) => (
            <option value={digit}>{digit}</option>
          ))}
        </select>
      </label>
    </section>
  );
}
