import type { View } from '../route.ts';

const views: readonly (readonly [view: View, href: string, text: string])[] = [
  ['digits', '#', 'Fool a network'],
  ['spar', '#spar', 'Watch two train'],
  ['own', '#own', 'Your own model'],
];

/** The way from one view of the page to another. */
export const Nav = ({ view }: { readonly view: View }) => (
  <nav class="views" aria-label="Views">
    {views.map(([own, href, text]) => (
      <a href={href} aria-current={own === view ? 'page' : undefined}>
        {text}
      </a>
    ))}
  </nav>
);
