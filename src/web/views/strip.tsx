import type { Signal } from '@preact/signals';
import type { Demo } from '../demo.ts';
import { readsDigits } from '../digits/shape.ts';
import { DrawTools, PenTools } from '../digits/tools.tsx';

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
  const draws = readsDigits(demo.card);
  return (
    <div class="row strip">
      {draws && <DrawTools demo={demo} drawing={drawing} />}
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
        {draws && <PenTools demo={demo} erasing={erasing} />}
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
