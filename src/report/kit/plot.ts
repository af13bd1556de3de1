import * as Plot from '@observablehq/plot';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { parseHTML } from 'linkedom';
import { fontFamily, registerFonts } from './fonts.ts';
import { theme, themeCss } from './theme.ts';

/** What a figure says to a reader who does not see it. */
export interface Caption {
  /** Unique in a page, a name of a file and of an element: `figure-3a`. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

/** Pixels, before a page scales the drawing. */
export const fontSize = 13;

/**
 * Draws a plot as SVG, to be set into a page that has the colours of `themeCss`. The same input gives the same text.
 *
 * @param options what Observable Plot draws; colours by `colour(...)`.
 */
export function drawPlot(options: Plot.PlotOptions, { id, title, description }: Caption): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({
    ...options,
    document: document as unknown as Document,
    className: 'plot',
  });
  const text = (tag: string, content: string): Element => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    element.id = `${id}-${tag}`;
    element.textContent = content;
    return element as unknown as Element;
  };
  // The drawing is one image with a name. Plot names its groups too, which no reader may hear and ARIA forbids.
  for (const group of svg.querySelectorAll('[aria-label],[aria-description]')) {
    group.removeAttribute('aria-label');
    group.removeAttribute('aria-description');
  }
  svg.prepend(text('title', title), text('desc', description));
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('font-size', String(fontSize));
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-labelledby', `${id}-title ${id}-desc`);
  return svg.outerHTML;
}

/** A plot as a file of its own: with its colours, light and dark. */
export const standaloneSvg = (svg: string): string =>
  svg.replace(
    '<style>',
    `<style>${themeCss('svg')}svg{background:var(--surface);color:var(--ink);font-family:system-ui,sans-serif}`,
  );

/** A plot as a PNG, twice as large, in the light scheme. */
export async function plotToPng(svg: string): Promise<Buffer> {
  registerFonts();
  const image = await loadImage(Buffer.from(plainSvg(svg)));
  const canvas = createCanvas(2 * image.width, 2 * image.height);
  const context = canvas.getContext('2d');
  context.fillStyle = theme.light['surface']!;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toBuffer('image/png');
}

/** Without CSS and relative units, which the rasteriser does not know. */
const plainSvg = (svg: string): string =>
  svg
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/var\(--([\w-]+)\)/g, (_, name: string) => theme.light[name] ?? 'none')
    .replaceAll('currentColor', theme.light['ink']!)
    .replace(/="(-?[\d.]+)em"/g, (_, em: string) => `="${fontSize * Number(em)}"`)
    .replace(/font-family="[^"]*"/, `font-family="${fontFamily}"`);
