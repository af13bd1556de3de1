import { audit, type AuditResult } from '../../api/audit.ts';
import { openLoaded } from '../../api/classifier.ts';
import type { Hardened, HardenPlan } from '../../api/harden.ts';
import { readAgain, type Loaded } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import type { ImageSource } from '../../runtime/index.ts';
import type { ProgressReporter } from '../progress.ts';

/** The same audit of a classifier before it was hardened and after. */
export interface Both {
  readonly before: AuditResult;
  readonly after: AuditResult;
}

/** The attacks of the preset `quick` on test images, before and after, without a curve. */
export async function measureBoth(
  { loaded, test, plan }: { readonly loaded: Loaded; readonly test: ImageSource; readonly plan: HardenPlan },
  { model, external }: Hardened,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<Both> {
  const measured = async (own: Loaded, when: string): Promise<AuditResult> => {
    const { device, threads, settings, defence } = plan;
    const opened = await openLoaded(node, own, { device, threads });
    try {
      return await audit(opened, test, {
        eps: settings.eps,
        norm: defence.norm,
        seed: settings.seed,
        curve: [],
        signal,
        onProgress: (event) => {
          if (event.kind === 'progress') progress.update({ ...event, title: `${when}: ${event.title}` });
        },
      });
    } finally {
      await opened.close();
    }
  };
  const before = await measured(loaded, 'before');
  return { before, after: await measured(readAgain(loaded, { bytes: model, external }), 'after') };
}
