import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import type { Audit } from '../../../src/runtime/audit/document.ts';
import { auditPage } from '../../../src/report/audit/index.ts';
import { attackOf, auditOf, audits, picturesOf } from '../../support/audits.ts';

const pageOf = async (audit: Audit) => {
  const { document } = parseHTML(await auditPage(audit, picturesOf(audit)));
  const text = (selector: string): string =>
    document.querySelector(selector)?.textContent?.replaceAll(/\s+/g, ' ').trim() ?? '';
  return { document, text, whole: text('body') };
};

describe('the page of an audit', () => {
  it('begins with the headline, and has every section', async () => {
    const { document, text } = await pageOf(audits.plain);
    expect(text('.headline')).toMatch(/^Of 493 images that digits.onnx gets right, .* on 290 \(58.8 %\)\.$/);
    expect([...document.querySelectorAll('h2')].map(({ textContent }) => textContent)).toEqual([
      'Images that it was fooled on',
      'Accuracy under each attack',
      'Accuracy against eps',
      'Accuracy by class',
      'Checks',
      'What was not measured',
      'Threat model',
      'Where the numbers come from',
    ]);
    for (const { href } of document.querySelectorAll<HTMLAnchorElement>('nav a')) {
      expect(document.querySelectorAll(href)).toHaveLength(1);
    }
  });

  it('says that it cannot be believed, and why, before any accuracy', async () => {
    const { document, text, whole } = await pageOf(audits.doubts);
    const box = text('.warnings');
    expect(box).toMatch(/^This audit cannot say how robust digits.onnx is\./);
    for (const each of ['The same images got other logits when asked again.', 'This is what to do.']) {
      expect(box).toContain(each);
    }
    expect(box).toContain('zero-gradient, accepted with --accept');
    expect(whole.indexOf('40.6')).toBeGreaterThan(whole.indexOf(box) + box.length);
    expect(document.querySelectorAll('.whole .left')).toHaveLength(0);
    expect(document.querySelectorAll('.note')).toHaveLength(6);
  });

  it('says whether demands are met', async () => {
    const failed = await pageOf(audits.failed);
    expect(failed.text('.badge')).toBe('Failed');
    expect(failed.text('.demands .met')).toContain('met: robust accuracy 40.6 %, at least 30.0 % demanded');
    expect(failed.text('li.unmet')).toContain('not met: robust accuracy 40.6 %, at least 50.0 % demanded');
    expect((await pageOf(audits.passed)).text('.badge')).toBe('Passed');
    expect((await pageOf(audits.plain)).document.querySelector('.badge')).toBeNull();
  });

  it('says of a passed audit which doubts were accepted', async () => {
    const { checks } = audits.doubt;
    const passed = auditOf({ checks, accepted: ['zero-gradient'], verdict: 'passed' });
    expect((await pageOf(passed)).text('.demands')).toContain('Accepted doubts: zero-gradient.');
  });

  it('shows what each attack broke, left and cost, alone or after those before it', async () => {
    const { document } = await pageOf(audits.plain);
    const rows = [...document.querySelectorAll('.stacked tbody tr')].map((row) =>
      [...row.children].map((cell) => cell.textContent!.replaceAll(/\s+/g, ' ').trim()),
    );
    expect(rows[0]).toEqual(['no attack', '', '', '', '98.6 % [97.1, 99.3]', '', '', '', '']);
    expect(rows.find(([name]) => name === 'PGD, 40 steps')).toEqual([
      'PGD, 40 steps',
      'gradient',
      '493',
      '279',
      '42.8 % [38.5, 47.2]',
      '',
      '493 1 an image',
      '19,720 40 an image',
      '3.4 s',
    ]);
    expect(rows.find(([name]) => name!.startsWith('Square'))!.slice(4)).toEqual([
      '',
      '40.6 % [36.4, 45.0]',
      '1,015,000 5,000 an image',
      '',
      '98 s',
    ]);
    expect(rows.at(-1)![5]).toBe('40.6 % [36.4, 45.0]');
  });

  it('shows an attack that nobody has heard of', async () => {
    const attacks = { ...audits.plain.attacks, novel: attackOf('Novel', 'model', [203, 1], { left: 202 }) };
    const { whole } = await pageOf(auditOf({ attacks }));
    expect(whole).toContain('Novel another model 203');
  });

  it('shows each broken image before and after, with the answers', async () => {
    const { document, text } = await pageOf(audits.plain);
    expect(document.querySelectorAll('.broken li')).toHaveLength(10);
    expect(document.querySelectorAll('.broken img')).toHaveLength(30);
    const first = text('.broken li');
    for (const part of ['0 → 2', '99.0 % sure', '61.0 % sure', 'FGSM, L∞ 0.1', 'image 0']) {
      expect(first).toContain(part);
    }
  });

  it('says of an image that was attacked to no number, and names its file', async () => {
    const { text } = await pageOf(audits.thousand);
    expect(text('.broken li')).toContain('no number');
    expect(text('.broken li')).toContain('ILSVRC2012_val_00000293.JPEG');
  });

  it('shows of many classes the worst ten and the best three', async () => {
    const { document, whole } = await pageOf(audits.thousand);
    const names = [...document.querySelectorAll('.bars tbody tr')].map((row) =>
      row.children[0]!.textContent!.trim(),
    );
    expect(names).toHaveLength(14);
    expect(names[1]).toMatch(/^class number 1\b/);
    expect(names[10]).toBe('… 987 classes between …');
    expect(names.slice(-1)[0]).toMatch(/^class number 999\b/);
    expect(whole).toContain('Of 1000 classes, these are the worst 10 and the best 3');
  });

  it('shows few classes all, the weakest first', async () => {
    const { document } = await pageOf(audits.plain);
    const names = [...document.querySelectorAll('.bars tbody th')].map((each) =>
      each.firstChild!.textContent!.trim(),
    );
    expect(names.join('')).toBe('8954732601');
  });

  it('leaves out pictures of what is neither grey nor of three colours', async () => {
    const image = { channels: 2, height: 8, width: 8 };
    const { document } = await pageOf(auditOf({ classifier: { ...audits.plain.classifier, image } }));
    expect(document.querySelectorAll('img, a[href="#samples"]')).toHaveLength(0);
  });

  it('says what was not measured', async () => {
    const { whole } = await pageOf(audits.unfinished);
    expect(whole).toContain('square: the audit was stopped before it');
    expect((await pageOf(audits.queries)).document.querySelector('#curve-section')).toBeNull();
  });

  it('draws the curve with guessing, all attacks, and fractions of 255', async () => {
    const { document } = await pageOf(audits.thousand);
    const words = [...document.querySelectorAll('svg text')].map(({ textContent }) => textContent!.trim());
    expect(words).toEqual(expect.arrayContaining(['guessing', 'all attacks', 'PGD', '4/255', '128/255']));
  });

  it('says how small a change is enough, or that none of those tried is', async () => {
    expect((await pageOf(audits.plain)).whole).toContain(
      'With an eps of 0.1 or less, half of the 198 images that it gets right are fooled.',
    );
    const robust = auditOf({ smallestEps: { median: null, broken: 40, images: 198 } });
    const { whole } = await pageOf({ ...robust, checks: audits.doubt.checks });
    expect(whole).toContain('Up to an eps of 0.5, PGD, 40 steps fools it on 40 of 198 images');
    expect(whole).toContain('See the checks before you conclude anything');
  });

  it('says how to measure it again, as a shell takes it', async () => {
    const { text } = await pageOf(auditOf({ command: ['audit', 'my model.onnx', '--data', "it's"] }));
    expect(text('pre')).toBe(String.raw`sparring audit 'my model.onnx' --data 'it'\''s'`);
  });

  it('takes no name for markup', async () => {
    const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>&amp;`;
    const { plain } = audits;
    const audit = auditOf({
      classifier: {
        ...plain.classifier,
        name: evil,
        labels: Array.from({ length: 10 }, () => evil),
        facts: [{ about: evil, text: evil }],
        gradient: { available: false, why: evil },
      },
      data: { ...plain.data, name: evil, source: evil, skipped: [{ name: evil, reason: evil }] },
      attacks: { [evil]: { ...plain.attacks['pgd']!, title: evil, settings: { [evil]: evil } } },
      byClass: plain.byClass.map((row) => ({ ...row, name: evil })),
      curve: { ...plain.curve!, attack: evil },
      samples: plain.samples.map((each) => ({ ...each, name: evil, attack: evil })),
      checks: ['doubt', 'note'].map((level) => ({
        id: evil,
        level: level as 'doubt' | 'note',
        title: evil,
        why: evil,
        whatToDo: evil,
      })),
      checked: [evil, 'other'],
      accepted: [evil],
      demands: [{ kind: 'fail-under', atLeast: 0.4, met: false, text: evil }],
      verdict: 'failed',
      notMeasured: [{ what: evil, why: evil }],
      command: ['audit', evil],
      preset: evil,
    });
    const { document } = await pageOf(audit);
    expect(document.querySelectorAll('script')).toHaveLength(0);
    expect(document.querySelectorAll('[onerror]')).toHaveLength(0);
    expect(document.querySelectorAll('img:not([src^="data:image/"])')).toHaveLength(0);
    expect(document.querySelector('h1')!.textContent).toBe(evil);
    expect(document.querySelector('.broken img')!.getAttribute('alt')).toContain(evil);
  });

  it('rejects pictures that are not those of the audit', async () => {
    const { samples } = picturesOf(audits.plain);
    await expect(auditPage(audits.plain, { samples: samples.slice(1) })).rejects.toThrow(
      'the audit has 10 samples, got pictures of 9',
    );
    const small = { ...samples[0]!, attacked: new Float32Array(3) };
    await expect(auditPage(audits.plain, { samples: [small, ...samples.slice(1)] })).rejects.toThrow(
      'samples[0].attacked must have 1x28x28 values, got 3',
    );
  });
});
