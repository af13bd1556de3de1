import { useSignal, type Signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { grey } from '../picture/palette.ts';
import { Pixels } from '../views/pixels.tsx';
import { digitShape, side } from './shape.ts';
import { stroke, type Point } from './stroke.ts';

/**
 * The original image, which is drawn on: with a mouse or the keyboard at any time, with a finger or a pen only while
 * `drawing`, so that the page can be scrolled over it.
 */
export function Pad({
  pixels,
  erasing,
  drawing,
  prompt,
  onDraw,
}: {
  readonly pixels: Float32Array;
  readonly erasing: Signal<boolean>;
  readonly drawing: Signal<boolean>;
  /** What an empty image asks for; null when there is something on it. */
  readonly prompt: string | null;
  /**
   * @param draw to be applied to the newest image: several strokes may come before the page is painted again.
   * @param goesOn whether it is part of a stroke that was begun before. */
  readonly onDraw: (draw: (pixels: Float32Array) => Float32Array, goesOn: boolean) => void;
}) {
  const pad = useRef<HTMLDivElement>(null);
  const last = useRef<Point | null>(null);
  const cursor = useSignal<Point>({ x: 14.5, y: 14.5 });
  const focused = useSignal(false);

  const draw = (from: Point, to: Point, goesOn: boolean, erase = erasing.value): void =>
    onDraw((newest) => stroke(newest, from, to, erase ? 0 : 1), goesOn);
  const at = ({ clientX, clientY }: PointerEvent): Point => {
    const { left, top, width, height } = pad.current!.getBoundingClientRect();
    return { x: ((clientX - left) / width) * side, y: ((clientY - top) / height) * side };
  };
  const onPointerDown = (event: PointerEvent): void => {
    if (event.button !== 0 || (event.pointerType !== 'mouse' && !drawing.value)) return;
    event.preventDefault();
    pad.current!.setPointerCapture(event.pointerId);
    const point = at(event);
    last.current = point;
    draw(point, point, false);
  };
  const onPointerMove = (event: PointerEvent): void => {
    if (!last.current) return;
    const point = at(event);
    draw(last.current, point, true);
    last.current = point;
  };
  const onPointerUp = (): void => {
    last.current = null;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const here = cursor.value;
    const step = moves[event.key];
    if (step) {
      const inside = (v: number): number => Math.min(side - 0.5, Math.max(0.5, v));
      const next = { x: inside(here.x + step.x), y: inside(here.y + step.y) };
      cursor.value = next;
      if (event.shiftKey) draw(here, next, false);
    } else if (event.key === ' ' || event.key === 'Enter') draw(here, here, false);
    else if (event.key === 'Backspace' || event.key === 'Delete') draw(here, here, false, true);
    else return;
    event.preventDefault();
  };

  return (
    <div
      ref={pad}
      class={drawing.value ? 'pad drawing' : 'pad'}
      role="application"
      aria-roledescription="drawing pad"
      aria-label="Original image, 28 by 28 pixels"
      aria-describedby="pad-help"
      tabIndex={0}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={onPointerUp}
      onPointerCancel={onPointerUp}
      onKeyDown={onKeyDown}
      onFocus={() => (focused.value = pad.current!.matches(':focus-visible'))}
      onBlur={() => (focused.value = false)}
    >
      <Pixels values={pixels} image={digitShape} palette={grey} />
      {prompt && <span class="prompt">{prompt}</span>}
      {focused.value && (
        <span
          class="pad-cursor"
          style={{
            width: `${100 / side}%`,
            height: `${100 / side}%`,
            left: `${(100 * (cursor.value.x - 0.5)) / side}%`,
            top: `${(100 * (cursor.value.y - 0.5)) / side}%`,
          }}
        />
      )}
    </div>
  );
}

const moves: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
