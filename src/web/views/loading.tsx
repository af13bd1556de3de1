import { megabytes } from '../format.ts';
import type { Progress } from '../progress.ts';

/** How far the loading of something is, under the head of the page. */
export const Loading = ({ of: what, progress }: { readonly of: string; readonly progress: Progress }) => (
  <div class="download">
    <progress aria-label={`Loading of ${what}`} max={progress.total} value={progress.loaded} />
    <span>
      Loading {what}: {megabytes(progress.loaded)} of {megabytes(progress.total)}
    </span>
  </div>
);
