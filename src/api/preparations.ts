import type { Images } from '../runtime/attacks/index.ts';
import type { Preparations } from '../runtime/audit/checks/index.ts';
import { firstOf, type ImageSource } from '../runtime/data/source.ts';
import { openModel, type SessionOptions } from '../runtime/session.ts';
import type { AdoptOptions } from '../models/classifier/options.ts';
import { accuracyOf, candidates } from './candidates.ts';
import type { Loaded } from './load.ts';
import type { Platform } from './platform.ts';

const mostTried = 200;

/**
 * The accuracy of a file on some images as their pixels are prepared and in the other usual ways, by the options that say
 * so. Null where the labels are the classifier's own answers, which are right by themselves.
 */
export async function preparedOtherwise(
  { classifier: { ports }, files }: Pick<Loaded, 'classifier' | 'files'>,
  source: ImageSource,
  options: SessionOptions,
  { inTurn }: Pick<Platform, 'inTurn'>,
): Promise<Preparations | null> {
  if (source.labels === 'answers') return null;
  const { image, label } = await firstOf(source, mostTried);
  const images = { data: image.data, shape: image.shape } as Images;
  const labels = label.data as Int32Array;
  const model = await inTurn(() => openModel(files.bytes, { ...options, device: 'cpu' }, files.external));
  const turns = { ...model, run: (fed: Parameters<typeof model.run>[0]) => inTurn(() => model.run(fed)) };
  try {
    const accuracy = await accuracyOf(turns, ports, images, labels);
    const others = [];
    for (const { options: own, plan } of candidates(ports.input)) {
      others.push({
        option: flagsOf(own),
        accuracy: await accuracyOf(turns, { ...ports, input: plan }, images, labels),
      });
    }
    return { images: labels.length, accuracy, others };
  } finally {
    await inTurn(() => model.close());
  }
}

const flagsOf = (options: AdoptOptions): string =>
  Object.entries(options)
    .map(([name, value]) => `--${name} ${Array.isArray(value) ? value.join(',') : String(value)}`)
    .join(' ');
