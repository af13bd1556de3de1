import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Theme } from '../picture/palette.ts';

/** What the person's system asks for. */
export function useTheme(): Theme {
  const query = matchMedia('(prefers-color-scheme: dark)');
  const dark = useSignal(query.matches);
  useEffect(() => {
    const change = (): void => {
      dark.value = query.matches;
    };
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  return dark.value ? 'dark' : 'light';
}
