import type { Signal } from '@preact/signals';
import type { Demo } from '../demo.ts';
import { centred } from './fit.ts';
import { side } from './shape.ts';

const show = (demo: Demo, pixels: Float32Array): void =>
  demo.show({ pixels, source: { kind: 'own', name: 'drawing' }, label: null });

/** Draw and Clear. */
export function DrawTools({
  demo,
  drawing,
}: {
  readonly demo: Demo;
  /** Whether a finger draws; a mouse always does. */
  readonly drawing: Signal<boolean>;
}) {
  return (
    <>
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
          show(demo, new Float32Array(side * side));
          // an empty picture is asked for to be drawn on
          drawing.value = true;
        }}
      >
        Clear
      </button>
    </>
  );
}

/** Eraser and Centre. */
export function PenTools({ demo, erasing }: { readonly demo: Demo; readonly erasing: Signal<boolean> }) {
  return (
    <>
      <button type="button" aria-pressed={erasing.value} onClick={() => (erasing.value = !erasing.value)}>
        Eraser
      </button>
      <button
        type="button"
        title="Scale to 20 pixels and centre by mass, as MNIST's digits are"
        onClick={() => show(demo, centred({ width: side, height: side, data: demo.choice.value.pixels }))}
      >
        Centre
      </button>
    </>
  );
}
