import type { Audit } from '../../runtime/audit/document.ts';
import { drawSamples } from '../kit/pictures.ts';

/** The pixels of an image before and after an attack: channel by channel, row by row, 0 to 1. */
export interface SamplePixels {
  readonly original: Float32Array;
  readonly attacked: Float32Array;
}

/**
 * Draws the samples of an audit, as a PNG. Null where there are none to draw: no image was broken, or the images are neither
 * grey nor of three colours.
 *
 * @param pixels of each of `audit.samples`, in that order.
 */
export function worstPicture(audit: Audit, pixels: readonly SamplePixels[]): Buffer | null {
  const { classifier, data, samples, threat, clean, worst, images } = audit;
  if (samples.length === 0 || (classifier.image.channels !== 1 && classifier.image.channels !== 3))
    return null;
  const nameOf = (label: number): string => data.classes[label] ?? 'nothing';
  const changes = pixels.map(({ original, attacked }) => attacked.map((x, at) => x - original[at]!));
  const largest = changes.reduce(
    (most, change) => change.reduce((top, x) => Math.max(top, Math.abs(x)), most),
    0,
  );
  const norm = threat.norm === 'linf' ? 'L∞' : 'L2';
  return drawSamples(
    samples.map(({ label, before, after }, i) => ({
      label: nameOf(label),
      image: pixels[i]!.original,
      perturbation: changes[i]!,
      attacked: pixels[i]!.attacked,
      before: { answer: nameOf(before.label), probability: before.probability ?? 0 },
      after: { answer: nameOf(after.label), probability: after.probability ?? 0 },
    })),
    {
      classifier: 'it',
      title: `${classifier.name} · ${norm} eps ${Number(threat.eps.toPrecision(4))}`,
      subtitle:
        `accuracy ${percent(clean.accuracy)} → ${percent(worst.accuracy)} in the worst case of all attacks, on ` +
        `${images.toLocaleString('en')} images of ${data.name}`,
      footnote: 'Red predictions are wrong. The images that the weakest attacks broke come first.',
      origin: `seed ${audit.seed}`,
      eps: largest > 0 ? largest : threat.eps,
      epsName: threat.norm === 'linf' ? 'eps' : Number(largest.toPrecision(2)).toString(),
      shape: classifier.image,
    },
  );
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
