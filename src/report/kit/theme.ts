/** The colours of a report. Figures name them as CSS variables, so that they follow the reader's light or dark scheme. */
export type Scheme = 'light' | 'dark';

/**
 * Every colour by its CSS variable. `eps0` to `eps6` are seven steps of viridis, the further from the background the
 * larger eps; the others are Okabe and Ito's. Both can be told apart with any common colour blindness, and each has a
 * contrast of at least 3 : 1 with its background (a test computes it).
 */
export const theme: Readonly<Record<Scheme, Readonly<Record<string, string>>>> = {
  light: {
    surface: '#ffffff',
    raised: '#f6f8fa',
    ink: '#1f2328',
    muted: '#57606a',
    rule: '#d0d7de',
    blue: '#0072b2',
    orange: '#d55e00',
    green: '#007a5a',
    purple: '#a6368c',
    eps0: '#1f9f88',
    eps1: '#23898e',
    eps2: '#2c738e',
    eps3: '#365d8d',
    eps4: '#414487',
    eps5: '#482878',
    eps6: '#46085c',
  },
  dark: {
    surface: '#14171c',
    raised: '#1d2128',
    ink: '#e6e9ee',
    muted: '#9aa4af',
    rule: '#3a414b',
    blue: '#56b4e9',
    orange: '#e69f00',
    green: '#3fcf9f',
    purple: '#e38bd0',
    eps0: '#2e6f8e',
    eps1: '#24878e',
    eps2: '#1fa088',
    eps3: '#35b779',
    eps4: '#67cc5c',
    eps5: '#a8db34',
    eps6: '#ece51b',
  },
};

/** A colour of the theme as a CSS value. */
export const colour = (name: string): string => `var(--${name})`;

/** The colours as CSS for the elements that `selector` finds, dark where the reader's system is. */
export function themeCss(selector: string): string {
  const variables = (scheme: Scheme): string =>
    Object.entries(theme[scheme])
      .map(([name, value]) => `--${name}:${value}`)
      .join(';');
  return `${selector}{color-scheme:light dark;${variables('light')}}@media (prefers-color-scheme:dark){${selector}{${variables('dark')}}}`;
}
