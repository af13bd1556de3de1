import { basename } from 'node:path';
import type { Audit } from '../../runtime/audit/document.ts';
import { renderSamples, type Prediction, type Sample } from '../kit/pictures.ts';
import { changeOf, demandPictures, fullChange, isPicture, type AuditPictures } from './samples.ts';
import { className, doubtsOf, epsText, imagesUsed, normName, part } from './words.ts';

/**
 * `worst.png`: the broken images beside what they were, with the answers before and after.
 *
 * @returns null where no image was broken, or where the images are neither grey nor of three colours.
 * @throws RangeError when the pictures are not those of the audit's samples.
 */
export function worstPicture(audit: Audit, pictures: AuditPictures): Buffer | null {
  demandPictures(audit, pictures);
  if (audit.samples.length === 0 || !isPicture(audit.classifier.image)) return null;
  const { threat, classifier, clean, worst, environment, seed } = audit;
  const eps = threat.norm === 'linf';
  const samples = audit.samples.map((sample, i): Sample => {
    const { original, attacked } = pictures.samples[i]!;
    const change = changeOf(pictures.samples[i]!);
    // without a limit for each pixel, every image has its own scale
    const full = eps ? 1 : fullChange(threat, change);
    const said = ({ label, probability }: typeof sample.before): Prediction => ({
      answer: className(audit, label),
      probability,
      right: label === sample.label,
    });
    return {
      label: className(audit, sample.label),
      image: original,
      perturbation: change.map((value) => value / full),
      attacked,
      before: said(sample.before),
      after: said(sample.after),
    };
  });
  const doubts = doubtsOf(audit);
  const trust = doubts.length === 0 ? '' : ` · in doubt: ${doubts.map(({ id }) => id).join(', ')}`;
  return renderSamples(samples, {
    title: `Attacks on ${classifier.name} · ${normName(threat)} eps ${epsText(threat.eps)}`,
    subtitle: `Accuracy ${part(clean.accuracy)} → ${part(worst.accuracy)} under every attack, on ${imagesUsed(audit)} of ${basename(audit.data.name)}${trust}`,
    footnote: ['Red answers are wrong.', `Sparring ${environment.sparring} · seed ${seed}`],
    rows: { label: audit.data.labels === 'true' ? 'true class' : 'first answer', answer: 'answer' },
    scale: eps ? { end: threat.eps, name: 'eps' } : { end: 1, name: 'max' },
    shape: classifier.image,
  });
}
