import { appendFile, stat, writeFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { auditCard } from '../../report/audit/card.ts';
import { auditJunit } from '../../report/audit/junit.ts';
import type { AuditPictures } from '../../report/audit/samples.ts';
import type { Audit } from '../../runtime/audit/document.ts';
import { masksOf } from '../../runtime/audit/figures.ts';
import { attackedAt } from '../../runtime/audit/gather.ts';
import type { Measured } from '../../runtime/audit/run-audit.ts';
import { valuesOf, type ImageSource } from '../../runtime/data/source.ts';
import { InputError } from '../../runtime/errors.ts';
import { describeFsError, makeFolder, removeTemporaries, writeAtomic } from '../../runtime/files.ts';
import { partedSafetensors, type PartedTensor, type Tensor } from '../../runtime/safetensors.ts';

/** The files of an audit. `audit.json` is written last: where it is, all of it is. */
export const auditFiles = [
  'adversarial.safetensors',
  'worst.png',
  'audit.html',
  'audit.md',
  'audit.json',
] as const;

/**
 * Finds out, before long work, whether an audit can be written: makes the folder, and writes something into it.
 *
 * @throws InputError in one line, with the way out.
 */
export async function probeWriting(folder: string): Promise<void> {
  const wayOut = 'choose another folder (--out DIR)';
  try {
    await makeFolder(folder);
    const probe = join(folder, `.probe-${process.pid}`);
    await writeFile(probe, new Uint8Array(65_536)).finally(() => rm(probe, { force: true }).catch(() => {}));
  } catch (error) {
    throw new InputError(`${describeFsError(error, `cannot write into ${folder}`)} (--out DIR)`, {
      cause: error,
    });
  }
  for (const name of auditFiles) {
    const found = await stat(join(folder, name)).catch(() => null);
    if (found && !found.isFile()) {
      throw new InputError(
        `cannot write ${join(folder, name)}: it is a folder, not a file; remove it or ${wayOut}`,
      );
    }
  }
}

/**
 * Finds out, before long work, whether a file can be written, and leaves what is there as it is.
 *
 * @param flag what names the file.
 * @throws InputError in one line, with the way out.
 */
export async function probeFile(path: string, flag: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found && !found.isFile()) {
    throw new InputError(`cannot write ${path}: it is a folder, not a file; choose another (${flag})`);
  }
  const probe = `${path}.probe-${process.pid}`;
  try {
    await writeFile(probe, '').finally(() => rm(probe, { force: true }).catch(() => {}));
  } catch (error) {
    throw new InputError(`${describeFsError(error, `cannot write ${path}`)} (${flag})`, { cause: error });
  }
}

/** Writes an audit into a folder. Gives the paths of the files. Throws Error in one line when one cannot be written. */
export async function writeAudit(
  folder: string,
  audit: Audit,
  measured: Measured,
  source: ImageSource,
): Promise<readonly string[]> {
  const broken = [...measured.adversarial.keys()].toSorted((a, b) => a - b);
  const written: string[] = [];
  for (const name of auditFiles) await removeTemporaries(join(folder, name));
  const write = async (
    name: (typeof auditFiles)[number],
    data: Parameters<typeof writeAtomic>[1],
  ): Promise<void> => {
    await writeAtomic(join(folder, name), data);
    written.push(join(folder, name));
  };
  await write('adversarial.safetensors', adversarialFile(measured, source, broken));
  // Only here: the canvas is a native library, which nobody should wait for who draws nothing.
  const { auditPage, worstPicture } = await import('../../report/audit/index.ts');
  const pictures = await picturesOf(audit, measured, source);
  const picture = worstPicture(audit, pictures);
  if (picture) await write('worst.png', picture);
  else await rm(join(folder, 'worst.png'), { force: true });
  await write('audit.html', await auditPage(audit, pictures));
  await write('audit.md', auditCard(audit));
  await write('audit.json', `${JSON.stringify(audit, null, 2)}\n`);
  return written;
}

/** The pixels of the samples of an audit, in their order. */
async function picturesOf(
  { samples }: Audit,
  { adversarial }: Measured,
  source: ImageSource,
): Promise<AuditPictures> {
  if (samples.length === 0) return { samples: [] };
  const places = samples.map(({ place }) => place);
  const { images, attacked } = await attackedAt(source, places, adversarial);
  const size = valuesOf(source.shape);
  return {
    samples: places.map((_, i) => ({
      original: images.data.subarray(i * size, (i + 1) * size),
      attacked: attacked.data.subarray(i * size, (i + 1) * size),
    })),
  };
}

/**
 * The broken images and the masks, as safetensors: `images` float32 [broken,C,H,W] as attacked, `originals` the same before,
 * `places` int32 [broken] among the images used; `labels` int32 [images]; `numbers` int32 [images], the place of each in the
 * data, where they are no files; and bool [images], 1 where the classifier is right:
 * `masks/clean`, `masks/<attack>`, `masks/worst`.
 */
function adversarialFile(
  measured: Measured,
  source: ImageSource,
  broken: readonly number[],
): AsyncIterable<Uint8Array> {
  const { channels, height, width } = source.shape;
  const shape = [broken.length, channels, height, width];
  const whole = ({ data, ...type }: Tensor): PartedTensor => ({ ...type, parts: () => [data] });
  const tensors = new Map<string, PartedTensor>([
    [
      'images',
      {
        dtype: 'float32',
        shape,
        *parts() {
          for (const place of broken) yield measured.adversarial.get(place)!.image;
        },
      },
    ],
    [
      'originals',
      {
        dtype: 'float32',
        shape,
        async *parts() {
          for (let at = 0; at < broken.length; at += atATime) {
            yield (await source.read(broken.slice(at, at + atATime))).image.data;
          }
        },
      },
    ],
    ['places', whole({ dtype: 'int32', shape: [broken.length], data: Int32Array.from(broken) })],
    ...(source.places
      ? [
          [
            'numbers',
            whole({ dtype: 'int32', shape: [source.count], data: Int32Array.from(source.places) }),
          ] as const,
        ]
      : []),
    ['labels', whole({ dtype: 'int32', shape: [measured.labels.length], data: measured.labels })],
  ]);
  // the masks are of the rows of the audit, and every row's images count in the worst case
  const outcomes = measured.outcomes.filter(({ planned }) => !planned.probe);
  for (const [name, mask] of masksOf({ right: measured.right, outcomes })) {
    tensors.set(`masks/${name}`, whole({ dtype: 'bool', shape: [mask.length], data: mask }));
  }
  return partedSafetensors(tensors, { format: 'sparring-adversarial-1' });
}

/** Originals that are read together. */
const atATime = 100;

/** Writes the results for CI: JUnit XML where it was asked for, and the summary of a GitHub job where there is one. */
export async function writeForCi(audit: Audit, junit: string | undefined): Promise<readonly string[]> {
  if (junit !== undefined) await writeAtomic(junit, auditJunit(audit));
  const summary = process.env['GITHUB_STEP_SUMMARY'];
  if (summary) {
    await appendFile(summary, `${auditCard(audit)}\n`).catch((error: unknown) => {
      throw new Error(describeFsError(error, `cannot write ${summary}`), { cause: error });
    });
  }
  return junit === undefined ? [] : [junit];
}
