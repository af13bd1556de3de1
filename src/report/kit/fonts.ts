import { createRequire } from 'node:module';
import { GlobalFonts } from '@napi-rs/canvas';

/** The family to draw text with, so that a figure is the same on every machine. */
export const fontFamily = 'Sparring Sans';

/** Makes `fontFamily` known to the canvas: DejaVu Sans, normal and bold. */
export function registerFonts(): void {
  if (GlobalFonts.has(fontFamily)) return;
  const { resolve } = createRequire(import.meta.url);
  for (const file of ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf']) {
    GlobalFonts.registerFromPath(resolve(`dejavu-fonts-ttf/ttf/${file}`), fontFamily);
  }
}
