import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** Takes files that are dropped on the page or pasted into it; true while some hover. */
export function useDrop(open: (files: readonly File[]) => void): boolean {
  const over = useSignal(false);
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const drag = (event: DragEvent): void => {
      event.preventDefault();
      over.value = event.type !== 'dragleave';
    };
    const take = (data: DataTransfer | null): void => {
      const files = [...(data?.files ?? [])];
      if (files.length > 0) open(files);
    };
    addEventListener('dragover', drag, { signal });
    addEventListener('dragleave', drag, { signal });
    addEventListener(
      'drop',
      (event) => {
        event.preventDefault();
        over.value = false;
        take(event.dataTransfer);
      },
      { signal },
    );
    addEventListener('paste', (event) => take(event.clipboardData), { signal });
    return () => stop.abort();
  }, []);
  return over.value;
}
