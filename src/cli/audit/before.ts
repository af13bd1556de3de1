import { readFile, stat } from 'node:fs/promises';
import { isOtherChoice } from '../../runtime/audit/demands.ts';
import { Audit, auditSchema } from '../../runtime/audit/document.ts';
import { readDocument } from '../../runtime/document.ts';
import { InputError } from '../../runtime/errors.ts';
import { describeFsError } from '../../runtime/files.ts';
import { join } from 'node:path';

/** Reads an `audit.json`. Throws InputError in one line. */
export async function readAudit(path: string): Promise<Audit> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  return readDocument(path, text, Audit, auditSchema);
}

/** What an audit that is planned will hold. */
export interface Planned {
  readonly classifier: Pick<Audit['classifier'], 'sha256'>;
  readonly data: Pick<Audit['data'], 'sha256' | 'chosen'>;
  readonly threat: Pick<Audit['threat'], 'norm' | 'eps'>;
  readonly images: number;
  readonly seed: number;
  readonly attacks: readonly string[];
  /** Eps of the curve; empty for none. */
  readonly curve: readonly number[];
}

/**
 * Rejects to replace an audit of something else, or one that holds more than the planned one will.
 *
 * @throws InputError in one line, with the way out.
 */
export async function keepFuller(folder: string, planned: Planned): Promise<void> {
  const path = join(folder, 'audit.json');
  if ((await stat(path).catch(() => null))?.isFile() !== true) return;
  const wayOut = 'write elsewhere with --out DIR, or replace it with --force';
  const before = await readAudit(path).catch((error: unknown) => {
    throw new InputError(`${(error as Error).message}; ${wayOut}`, { cause: error });
  });
  const reason = whatIsLost(before, planned);
  if (reason) throw new InputError(`${path} ${reason}; ${wayOut}`);
}

function whatIsLost(
  before: Audit,
  { classifier, data, threat, images, seed, attacks, curve }: Planned,
): string | null {
  if (before.classifier.sha256 !== classifier.sha256) return 'is of another classifier';
  if (before.data.sha256 !== data.sha256) return 'is of other data';
  if (before.threat.norm !== threat.norm || before.threat.eps !== threat.eps) {
    return `is of ${before.threat.norm} eps ${before.threat.eps}`;
  }
  if (before.images > images) return `is of ${before.images} images, and this one will be of ${images}`;
  if (isOtherChoice(before, data)) return 'is of the first images, as an earlier version took them';
  if (before.seed !== seed) return `is of seed ${before.seed}`;
  const lost = Object.keys(before.attacks).filter((name) => !attacks.includes(name));
  if (lost.length > 0) return `has attacks that this one will not have: ${lost.join(', ')}`;
  const points = (before.curve?.points ?? []).filter(({ under }) => under === 'curve').map(({ eps }) => eps);
  const away = points.filter((eps) => !curve.includes(eps));
  return away.length > 0 ? `has a curve with eps that this one will not have: ${away.join(', ')}` : null;
}
