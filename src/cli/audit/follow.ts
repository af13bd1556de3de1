import type { AuditEvent } from '../../runtime/audit/work.ts';
import type { ProgressReporter } from '../progress.ts';

/** Runs an audit to its end, and shows how far it is and each figure as it comes. */
export async function followAudit<T>(
  work: AsyncGenerator<AuditEvent, T>,
  progress: Pick<ProgressReporter, 'update' | 'done'>,
): Promise<T> {
  for (;;) {
    const next = await work.next();
    if (next.done) return next.value;
    const event = next.value;
    if (event.kind === 'progress') progress.update(event);
    else progress.done(figure(event));
  }
}

function figure({ given, right, images }: Extract<AuditEvent, { kind: 'figure' }>): string {
  const accuracy = `accuracy ${((100 * right) / images).toFixed(1)} %`;
  return given === 'left' ? `${accuracy} with all before` : accuracy;
}
