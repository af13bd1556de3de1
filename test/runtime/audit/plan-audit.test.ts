import { describe, expect, it } from 'vitest';
import type { Oracle } from '../../../src/runtime/attacks/index.ts';
import { planAudit, type AuditRequest } from '../../../src/runtime/audit/plan-audit.ts';

/** A plan for a classifier of some size that gives gradients; nothing is asked of it. */
const planOf = (attacks: AuditRequest['attacks'], side = 32) =>
  planAudit(
    {
      image: { channels: 3, height: side, width: side },
      classes: 10,
      gradient: (() => Promise.reject(new Error('not asked'))) as NonNullable<Oracle['gradient']>,
    },
    { norm: 'linf', eps: 8 / 255, attacks, curve: null, seed: 1, batchSize: null },
  ).plan;

describe('a plan', () => {
  it.each([
    [['fgsm', 'pgd'], 'pgd-doubled', 80],
    [['pgd', 'apgd', 'square'], 'apgd-doubled', 200],
    [['mi-fgsm'], 'mi-fgsm-doubled', 20],
  ] as const)('of %o doubles the steps of its strongest as a probe: %s', (attacks, name, steps) => {
    const planned = planOf(attacks).attacks;
    expect(planned.slice(0, -1).map((each) => each.name)).toEqual(attacks);
    expect(planned.at(-1)).toMatchObject({
      name,
      probe: true,
      most: 200,
      configured: { settings: { steps } },
    });
  });

  it('of no attack with steps doubles none', () => {
    expect(planOf(['noise', 'fgsm', 'square']).attacks.map(({ name }) => name)).toEqual([
      'noise',
      'fgsm',
      'square',
    ]);
  });

  it.each([
    ['quick', 64, 40],
    ['quick', 224, 20],
    ['standard', 224, 40],
    [['pgd'], 224, 40],
  ] as const)('of %j for images of %d pixels a side has %d steps of PGD', (attacks, side, steps) => {
    const { attacks: planned, curve } = planOf(attacks, side);
    const ofPgd = planned.find(({ name }) => name === 'pgd')!.configured;
    expect(ofPgd.settings).toMatchObject({ steps });
    expect(curve!.configured).toEqual(ofPgd);
    expect(planned.at(-1)!.configured.settings).toMatchObject({ steps: 2 * steps });
  });

  it('of a preset counts the doubled steps', () => {
    const last = planOf('quick').attacks.at(-1)!;
    expect(last).toMatchObject({ name: 'pgd-doubled', configured: { settings: { steps: 80 } } });
    expect(last.probe).toBeUndefined();
  });
});
