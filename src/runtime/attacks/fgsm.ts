import type { Attack, NoSettings } from './attack.ts';
import { gradientStep } from './step.ts';

/**
 * Fast gradient sign method (Goodfellow, Shlens and Szegedy 2014): one step of eps from the image along the sign of the
 * loss's gradient. In L2 the step is along the gradient itself (fast gradient method).
 */
export const fgsm: Attack<NoSettings> = {
  access: 'gradient',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: {},
  title: () => 'FGSM',
  async *run(oracle, batch, threat) {
    const attacked = await gradientStep(oracle, batch, threat, batch.images, threat.eps);
    yield 1;
    return attacked;
  },
};
