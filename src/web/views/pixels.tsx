import { useLayoutEffect, useRef } from 'preact/hooks';
import { paint, type Rgb } from '../picture/palette.ts';
import { side } from '../picture/stroke.ts';

/** 784 values as a picture that CSS enlarges, every pixel a square. */
export function Pixels({
  values,
  colour,
  label,
}: {
  readonly values: Float32Array;
  readonly colour: (value: number) => Rgb;
  /** What it shows, for who does not see it; without, it is decoration. */
  readonly label?: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    context.putImageData(new ImageData(paint(values, colour), side, side), 0, 0);
  }, [values, colour]);
  return (
    <canvas
      ref={canvas}
      class="pixels"
      width={side}
      height={side}
      {...(label === undefined ? { 'aria-hidden': true } : { role: 'img', 'aria-label': label })}
    />
  );
}
