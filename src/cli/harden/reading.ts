import { loadClassifier, type Loaded } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import type { ImageSource } from '../../runtime/data/source.ts';
import { saidBeside } from '../../models/classifier/beside.ts';
import { adoptWords, type AdoptFlags } from '../adopt-options.ts';

/**
 * The options that a written file must be read with to be the classifier that was hardened; none where the file, and what
 * lies beside it, say as much.
 *
 * @param flags those that the original was read with.
 * @param source the images that it was hardened on: how pictures are resized says nothing of others.
 */
export async function readingWords(
  out: string,
  { classifier, said }: Loaded,
  flags: AdoptFlags,
  { names }: ImageSource,
): Promise<readonly string[]> {
  const plain = await loadClassifier(node, out).catch(() => null);
  const readingOf = ({ image, labels, ports, pictures }: Loaded['classifier']): string =>
    JSON.stringify([image, labels, ports, names && pictures]);
  if (plain && readingOf(plain.classifier) === readingOf(classifier)) return [];
  const beside = saidBeside(said.beside ?? {});
  if (!beside) return adoptWords(flags);
  const { scale, mean, std, channels, size, source } = beside;
  const isPrepared = classifier.origin.facts.some(
    ({ about, text }) => about === 'preprocessing' && text.endsWith(`(${source})`),
  );
  return adoptWords({
    ...(isPrepared && { ...(scale && { scale }), ...(mean && { mean }), ...(std && { std }) }),
    ...(channels && { channels }),
    ...(size && { size }),
    ...(names && classifier.pictures),
    ...flags,
  });
}
