import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ImageShape } from '../../runtime/attacks/images.ts';
import { paint, type Palette } from '../picture/palette.ts';

/** The values of an image as a picture that CSS enlarges, every pixel a square. */
export function Pixels({
  values,
  image,
  palette,
  label,
}: {
  readonly values: Float32Array;
  readonly image: ImageShape;
  readonly palette: Palette;
  /** What it shows, for who does not see it; without, it is decoration. */
  readonly label?: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    context.putImageData(new ImageData(paint(values, image, palette), image.width, image.height), 0, 0);
  }, [values, image, palette]);
  return (
    <canvas
      ref={canvas}
      class="pixels"
      width={image.width}
      height={image.height}
      {...(label === undefined ? { 'aria-hidden': true } : { role: 'img', 'aria-label': label })}
    />
  );
}
