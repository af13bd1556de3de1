import type { Signal } from '@preact/signals';
import type { Demo } from '../demo.ts';
import { centred } from '../picture/fit.ts';
import { side } from '../picture/stroke.ts';

/** What is done with the picture most often, right under it. */
export function Strip({
  demo,
  erasing,
  drawing,
  onFile,
}: {
  readonly demo: Demo;
  readonly erasing: Signal<boolean>;
  /** Whether a finger draws; a mouse always does. */
  readonly drawing: Signal<boolean>;
  readonly onFile: (file: File) => void;
}) {
  const own = (pixels: Float32Array): void =>
    demo.show({ pixels, source: { kind: 'own', name: 'drawing' }, label: null });
  return (
    <div class="row strip">
      <button
        type="button"
        class="touch"
        aria-pressed={drawing.value}
        onClick={() => (drawing.value = !drawing.value)}
      >
        {drawing.value ? 'Done' : 'Draw'}
      </button>
      <button
        type="button"
        onClick={() => {
          own(new Float32Array(side * side));
          // an empty picture is asked for to be drawn on
          drawing.value = true;
        }}
      >
        Clear
      </button>
      <button type="button" disabled={!demo.undoable.value} onClick={() => demo.undo()}>
        Undo
      </button>
      {demo.digits.length > 0 && (
        <button
          type="button"
          onClick={() => {
            drawing.value = false;
            demo.random();
          }}
        >
          Random
        </button>
      )}
      <span class="more row">
        <button type="button" aria-pressed={erasing.value} onClick={() => (erasing.value = !erasing.value)}>
          Eraser
        </button>
        <button
          type="button"
          title="Scale to 20 pixels and centre by mass, as MNIST's digits are"
          onClick={() => own(centred({ width: side, height: side, data: demo.choice.value.pixels }))}
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
      </span>
    </div>
  );
}
