import { describe, expect, it } from 'vitest';
import { auditCard } from '../../../src/report/audit/index.ts';
import { accuraciesOf, auditOf, audits } from '../../support/audits.ts';

describe('the robustness card', () => {
  it('has the headline, intervals, threat model, data, model and command', () => {
    const card = auditCard(audits.plain);
    expect(card.split('\n')[0]).toBe('## Robustness of digits.onnx');
    for (const line of [
      '**Of 493 images that digits.onnx gets right, an attacker who may change every pixel by up to 0.1 fools it on 290 (58.8 %).**',
      '| No attack | 98.6 % | 97.1 to 99.3 |',
      '| PGD, 40 steps | 42.8 % | 38.5 to 47.2 |',
      '| Square, 5000 queries, after those above | 40.6 % | 36.4 to 45.0 |',
      '| **Every attack (robust accuracy, an upper bound)** | 40.6 % | 36.4 to 45.0 |',
      '- **Threat model:** untargeted, L∞: no value of a pixel changes by more than 0.1; pixels within 0 to 1',
      `- **Data:** mnist: 500 of 10,000 images; seed 1, SHA-256 ${'cd'.repeat(32)}`,
      `- **Model:** SHA-256 ${'ab'.repeat(32)}`,
      'sparring audit digits.onnx --data mnist --eps 0.1 --images 500',
    ]) {
      expect(card.split('\n')).toContain(line);
    }
  });

  it('warns above the numbers, and calls none robust, where a check is in doubt', () => {
    const card = auditCard(audits.doubts);
    expect(card.indexOf('Do not trust the accuracy')).toBeGreaterThan(0);
    expect(card.indexOf('Do not trust the accuracy')).toBeLessThan(card.indexOf('40.6 %'));
    expect(card).toContain('> - The gradient is zero on every pixel of 51 of 100 images.');
    expect(card).toContain('| **Every attack (in doubt)** |');
  });

  it('calls no number robust where only noise was tried', () => {
    const { noise } = audits.plain.attacks;
    const card = auditCard(auditOf({ attacks: { noise: noise! }, ...accuraciesOf(500, 493, 492) }));
    expect(card).toContain('no measure of robustness');
    expect(card).not.toContain('robust accuracy');
  });

  it('says whether demands are met', () => {
    expect(auditCard(audits.failed)).toContain(
      '- **Demanded:** not met: robust accuracy 40.6 %, at least 50.0 %',
    );
  });

  it('takes no name for markup', () => {
    const { classifier, attacks, data } = audits.plain;
    const evil = '<b>|`*_[x](y)\n# z';
    const card = auditCard(
      auditOf({
        classifier: { ...classifier, name: evil },
        data: { ...data, name: evil },
        attacks: { pgd: { ...attacks['pgd']!, title: evil } },
        command: ['audit', '```\n# out'],
      }),
    );
    const escaped = String.raw`\<b\>\|\`\*\_\[x\](y) \# z`;
    expect(card.split('\n')[0]).toBe(`## Robustness of ${escaped}`);
    expect(card).toContain(`| ${escaped} | 42.8 % |`);
    expect(card).toMatch(/````sh\nsparring audit '```\n# out'\n````/);
  });
});
