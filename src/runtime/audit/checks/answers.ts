import type { Finding } from '../classifier-checks.ts';
import { most } from '../probe.ts';
import type { AuditCheck } from './check.ts';
import { doubt } from './check.ts';

/** What is found of the answers and the gradient on clean images, before an attack. */
const found =
  (check: Finding['check']): AuditCheck['look'] =>
  ({ probe }) => {
    const finding = probe.findings.find((each) => each.check === check);
    return finding ? doubt(finding.message) : null;
  };

/** Of answers that are not numbers, nothing else can be said. */
const numbers: NonNullable<AuditCheck['applies']> = ({ probe: { findings } }) =>
  !findings.some(({ check }) => check === 'not-a-number');

export const notANumber: AuditCheck = {
  id: 'not-a-number',
  why: 'An answer that is not a number counts as wrong, and attacks cannot be steered by it.',
  whatToDo: 'Check how the pixels are prepared (--scale, --mean, --std), and the model itself.',
  look: found('not-a-number'),
};

export const probabilities: AuditCheck = {
  id: 'probabilities',
  why:
    'Probabilities that are given as logits are flat where the classifier is sure of itself: gradients vanish there, and ' +
    'attacks that follow them fail for that reason alone.',
  whatToDo: 'Export the values before the softmax, or name the output that holds them (--output).',
  applies: numbers,
  look: found('probabilities'),
};

export const constantAnswers: AuditCheck = {
  id: 'constant-answers',
  why: 'No attack can change an answer that does not depend on the image. That is no robustness.',
  whatToDo:
    'Check the input and output that were chosen (--input, --output), and how the pixels are prepared (--scale).',
  applies: (seen) => numbers(seen) && seen.probe.again.images > 1,
  look: found('constant-answers'),
};

export const zeroGradient: AuditCheck = {
  id: 'zero-gradient',
  why: 'FGSM, PGD, APGD and FAB have nothing to follow there. What they leave says nothing about robustness.',
  whatToDo:
    'Audit the model before whatever stops the gradient, and rely on Square with many queries (--preset thorough).',
  // that it is zero by construction is found without asking for it
  applies: (seen) =>
    found('zero-gradient')(seen) !== null ||
    (seen.gradient.available && numbers(seen) && seen.probe.again.apart <= most),
  look: found('zero-gradient'),
};
