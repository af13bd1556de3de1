import { html } from 'hono/html';
import type { Markup } from '../kit/markup.ts';

/** Words with options of the command in them, such as `--accept`, which are set as code and never broken. */
export const withFlags = (words: string): Markup =>
  html`${words
    .split(/(--[a-z][a-z-]*)/)
    .map((part, i) => (i % 2 === 1 ? html`<code class="flag">${part}</code>` : part))}`;
