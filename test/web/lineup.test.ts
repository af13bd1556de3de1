import { describe, expect, it } from 'vitest';
import type { CellModels, Manifest, ManifestCell } from '../../src/runtime/experiment/manifest.ts';
import type { Choice } from '../../src/web/choice.ts';
import { classifiersOf, feasible, lineUp, possibleIn, seriesOf, snap } from '../../src/web/lineup.ts';

const scores = { clean: { accuracy: 1, loss: 0 }, noise: { accuracy: 1, loss: 0 } };

/** A cell; consecutive cells of a seed share their classifiers, as in a sweep. */
function cell(mode: ManifestCell['mode'], eps: number, more: Partial<CellModels> = {}): ManifestCell {
  const folder = `${mode}-eps${eps}`;
  const file = (name: string, content: string) => ({ url: `${folder}/${name}`, bytes: 1, sha256: content });
  return {
    mode,
    eps,
    folder,
    bound: 'tanh',
    clip: true,
    seed: 1,
    final: { c1: scores, c2: scores },
    models: {
      c1: file('c1', mode === 'consecutive' ? 'C1' : `C1 ${mode} ${eps}`),
      c2: file('c2', 'C2'),
      attacker: file('attacker', folder),
      ...more,
    },
  };
}

const manifest = (...cells: readonly ManifestCell[]): Manifest => ({
  schema: 1,
  run: 'r',
  data: { name: 'mnist', testImages: 100 },
  classifier: { image: { channels: 1, height: 28, width: 28 }, classes: 10, labels: null },
  cells,
});

const sweep = manifest(
  cell('consecutive', 0.16),
  cell('consecutive', 0.04),
  cell('alternating', 0.04),
  cell('alternating', 0.16),
);
const [consecutive, alternating] = seriesOf(sweep);
const choose = (series: string, eps: number, weights: 'compact' | 'full' = 'compact') =>
  lineUp(sweep, { series, eps, weights });

describe('seriesOf', () => {
  it('gathers the attackers of one kind, the smallest eps first', () => {
    expect(seriesOf(sweep).map(({ cells }) => cells.map(({ eps }) => eps))).toEqual([
      [0.04, 0.16],
      [0.04, 0.16],
    ]);
  });
});

describe('lineUp', () => {
  it('takes the attacker trained for the eps, unscaled', () => {
    const { cell: own, scale, attacker } = choose(consecutive!.id, 0.04);
    expect([own.folder, scale, attacker.url]).toEqual([
      'consecutive-eps0.04',
      1,
      'consecutive-eps0.04/attacker',
    ]);
  });

  it('scales the attacker whose eps is nearest by ratio between two', () => {
    expect(choose(consecutive!.id, 0.05)).toMatchObject({ cell: { eps: 0.04 }, scale: 1.25 });
    expect(choose(consecutive!.id, 0.1)).toMatchObject({ cell: { eps: 0.16 }, scale: 0.625 });
    expect(choose(consecutive!.id, 0)).toMatchObject({ cell: { eps: 0.04 }, scale: 0 });
  });

  it('adds the alternately trained C1 of the same eps, and fetches a shared classifier once', () => {
    const { target, classifiers } = choose(consecutive!.id, 0.04);
    expect(target).toBe('c1');
    expect(classifiers.c1!.url).toBe('consecutive-eps0.16/c1');
    expect(classifiers.alternating!.url).toBe('alternating-eps0.04/c1');
  });

  it('has no bystander where the run has no second classifier', () => {
    const { c2: _, ...models } = cell('consecutive', 0.16).models;
    const alone = manifest({ ...cell('consecutive', 0.16), final: { c1: scores }, models });
    const { classifiers } = lineUp(alone, { series: seriesOf(alone)[0]!.id, eps: 0.16, weights: 'full' });
    expect(Object.keys(classifiers)).toEqual(['c1']);
  });

  it('aims an alternating attacker at the C1 that it was trained with', () => {
    const { target, classifiers } = choose(alternating!.id, 0.16);
    expect(target).toBe('alternating');
    expect(classifiers.alternating!.url).toBe('alternating-eps0.16/c1');
    expect(classifiers.c1!.url).toBe('consecutive-eps0.16/c1');
  });

  it("aims a hardened cell's attacker at the C1 of that cell", () => {
    const run = manifest(...sweep.cells, cell('hardened', 0.16));
    const [, , hardened] = seriesOf(run);
    expect(hardened!.title).toBe('hardened, clipped, tanh, seed 1');
    const { target, classifiers, attacker } = lineUp(run, {
      series: hardened!.id,
      eps: 0.16,
      weights: 'compact',
    });
    expect([target, classifiers.c1!.url, attacker.url]).toEqual([
      'c1',
      'hardened-eps0.16/c1',
      'hardened-eps0.16/attacker',
    ]);
  });

  it('falls back to the full attacker, and does without gradients, where a run has no others', () => {
    expect(choose('unknown', 0.16, 'compact').attacker.url).toBe('consecutive-eps0.16/attacker');
    expect(choose('unknown', 0.16).gradient).toBeNull();
  });

  it('takes the small attacker unless the full one is asked for', () => {
    const small = { url: 'small', bytes: 1, sha256: 'small' };
    const own = manifest(cell('consecutive', 0.1, { attackerCompact: small }));
    const urlOf = (weights: 'compact' | 'full') =>
      lineUp(own, { series: '', eps: 0.1, weights }).attacker.url;
    expect([urlOf('compact'), urlOf('full')]).toEqual(['small', 'consecutive-eps0.1/attacker']);
  });
});

describe('what can be attacked with', () => {
  const gradient = { url: 'gradient', bytes: 1, sha256: 'gradient' };
  const own = manifest(cell('consecutive', 0.1, { gradient }));
  const plain = manifest(cell('consecutive', 0.1));
  const choice: Choice = {
    source: { kind: 'digit', index: 4 },
    pixels: new Float32Array(4),
    label: null,
    method: 'generator',
    aim: null,
    eps: 0.1,
    clip: true,
    bits: null,
    weights: 'full',
    series: '',
    backend: null,
  };
  const methodsOf = (run: Manifest, aim: number | null) => possibleIn(lineUp(run, choice), { aim });

  it('is everything for any wrong class, and no trained attacker for one that is chosen', () => {
    expect(methodsOf(own, null)).toEqual(['generator', 'fgsm', 'mi-fgsm', 'pgd', 'apgd', 'square', 'noise']);
    expect(methodsOf(own, 3)).not.toContain('generator');
  });

  it('is what asks for answers alone where a run has no gradients', () => {
    expect(methodsOf(plain, 3)).toEqual(['square', 'noise']);
  });

  it('takes the place of what a choice does not allow', () => {
    expect(feasible(choice, own)).toBe(choice);
    expect(feasible({ ...choice, aim: 3 }, own).method).toBe('pgd');
    expect(feasible({ ...choice, aim: 3 }, plain).method).toBe('square');
    expect(feasible({ ...choice, method: 'fgsm' }, plain).method).toBe('generator');
  });
});

describe('snap', () => {
  it('gives the exact eps of an attacker near the position, and else the position', () => {
    const [series] = seriesOf(manifest(cell('consecutive', 8 / 255)));
    expect(snap(0.03, series!, 0.005)).toBe(8 / 255);
    expect(snap(0.04, series!, 0.005)).toBe(0.04);
  });
});

describe('classifiersOf', () => {
  it('gives each classifier of the run once, those that take part first', () => {
    const found = classifiersOf(sweep, choose(consecutive!.id, 0.16));
    expect(found.map(({ title, model }) => [title, model.sha256])).toEqual([
      ['Target', 'C1'],
      ['Bystander', 'C2'],
      ['Trained sparring partner', 'C1 alternating 0.16'],
      ['Target, alternating, eps 0.04, seed 1', 'C1 alternating 0.04'],
    ]);
  });

  it('calls the trained one the target where its attacker is chosen', () => {
    const [first, , third] = classifiersOf(sweep, choose(alternating!.id, 0.04));
    expect([first!.title, third!.title]).toEqual(['Untrained partner', 'Trained sparring partner']);
  });
});
