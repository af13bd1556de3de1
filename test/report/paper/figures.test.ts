import { createCanvas, loadImage } from '@napi-rs/canvas';
import { describe, expect, it } from 'vitest';
import { spreadOut, ticksWithRoom } from '../../../src/report/kit/chart.ts';
import { paperFigures } from '../../../src/report/paper/figures.ts';
import { panelFiles, renderReport } from '../../../src/report/paper/index.ts';
import { joinInputs, parseInput } from '../../../src/report/paper/inputs.ts';
import { threatModels, type Cell } from '../../../src/report/paper/results.ts';
import { theme } from '../../../src/report/kit/theme.ts';
import type { Result } from '../../../src/runtime/experiment/result.ts';
import { asInThePaper, resultJson, type MadeUp } from '../../support/results.ts';

const cellsOf = (cells: readonly MadeUp[], settings?: Parameters<typeof resultJson>[1]) =>
  parseInput(resultJson(cells, settings), 'made-up.json').cells;
const reportOf = (cells: readonly Cell[], title: string) =>
  renderReport(
    threatModels(cells).map((threat) => ({
      ...threat,
      intensities: [],
      missing: ['the models are not here'],
    })),
    [],
    title,
  );
const figuresOf = (cells: readonly MadeUp[]) => paperFigures(threatModels(cellsOf(cells))[0]!, '');

describe('figures 3 to 6', () => {
  it('have a panel a classifier, and figure 6 one an intensity', () => {
    expect(figuresOf(asInThePaper).flatMap(({ panels }) => panels.map(({ id }) => id))).toEqual(
      ['3a', '3b', '4a', '4b', '5a', '5b', '6a', '6b'].map((panel) => `figure-${panel}`),
    );
  });

  it('name every line, and say its numbers to those who do not see it', () => {
    const [panel] = figuresOf(asInThePaper)[0]!.panels;
    for (const { eps } of asInThePaper) expect(panel!.svg).toContain(`>${eps}</text>`);
    expect(panel!.svg).toContain('eps 0.04: 95.5 % at epoch 1, 80.0 % at epoch 20');
  });

  it('say what was not measured, and draw nothing of it', () => {
    const [three, , five, six] = figuresOf(
      asInThePaper.filter(({ eps, mode }) => eps === 0.08 && mode === 'consecutive'),
    );
    expect(three!.missing).toEqual(['consecutive, eps 0.01, 0.02, 0.04, 0.16, 0.32 and 0.64']);
    expect(five!).toMatchObject({ panels: [], measured: [] });
    expect(six!.panels.map(({ id }) => id)).toEqual(['figure-6b']);
    expect(six!.missing).toEqual(['alternating, eps 0.04', 'consecutive, eps 0.04', 'alternating, eps 0.08']);
  });

  it('are the same text each time', () => {
    expect(figuresOf(asInThePaper)).toEqual(figuresOf(asInThePaper));
  });
});

describe('a report', () => {
  it('escapes what it shows', async () => {
    const report = await reportOf(
      cellsOf(asInThePaper.slice(0, 1), { source: '<script>alert(1)</script>' }),
      '<b>&"bold"</b>',
    );
    const { page } = report;
    expect(page).not.toMatch(/<script>|<b>/);
    expect(page).toContain('&lt;b&gt;&amp;&quot;bold&quot;&lt;/b&gt;');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('has every figure as SVG with its own colours, and as PNG with a drawing on it', async () => {
    const report = await reportOf(cellsOf(asInThePaper), 'made up');
    const files = await Promise.all(report.panels.map(panelFiles));
    const svg = files[0]!.get('figure-3a.svg') as string;
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    for (const [, name] of svg.matchAll(/var\(--([\w-]+)\)/g)) expect(svg).toContain(`--${name}:`);
    for (const [name, bytes] of files.flatMap((each) => [...each])) {
      if (!name.endsWith('.png')) continue;
      const image = await loadImage(bytes as Buffer);
      const context = createCanvas(image.width, image.height).getContext('2d');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      const colours = new Set(new Uint32Array(data.buffer));
      expect(colours.size, `${name}`).toBeGreaterThan(50);
    }
  });

  it('shows a threat model after the other, with names of their own', async () => {
    const both = [true, false].flatMap((clip) => cellsOf(asInThePaper.slice(0, 2), { clip }));
    const report = await reportOf(both, 'made up');
    const { page } = report;
    expect(page.indexOf('unclipped, tanh bound')).toBeLessThan(page.indexOf(', clipped, tanh bound'));
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  });
});

describe("the paper's claims", () => {
  const pageOf = async (cells: readonly MadeUp[], settings?: Parameters<typeof resultJson>[1]) =>
    (await reportOf(cellsOf(cells, settings), 'made up')).page.replaceAll('&#39;', "'").replace(/\s+/g, ' ');
  const at = (eps: number) => asInThePaper.filter((cell) => cell.mode === 'consecutive' && cell.eps === eps);

  it('are one line where fewer than half of their cells were measured, which says what to train', async () => {
    const page = await pageOf(at(0.16), { clip: true });
    expect(page).not.toContain('class="claims"');
    expect(page).not.toContain('Figure 3');
    expect(page).toContain(
      "None of the paper's 7 claims can be compared: fewer than half of their cells were measured. Train the missing cells with <code>npx -y pnpm@10 train --mode consecutive,alternating --eps 0.01,0.02,0.04,0.08,0.32,0.64 --clip --attacker-epochs 4</code>",
    );
  });

  it('are compared where at least half of their cells were measured, with the others counted', async () => {
    const page = await pageOf([...at(0.16), ...at(0.32)]);
    expect(page).toContain('With larger t, C1 is hardly better than guessing.');
    expect(page).not.toContain('t = 0.04 takes C1 to about 80 %');
    expect(page).toContain("6 of the paper's 7 claims cannot be compared");
  });

  it('have their intervals in brackets, said once', async () => {
    const page = await pageOf(asInThePaper);
    expect(page).toContain('20.0 % [19.2, 20.8]');
    expect(page).not.toContain('(95 % interval');
    expect(page).toContain('>reproduced?</th>');
  });
});

it('the course of an attack is drawn where the paper has nothing to compare it with', async () => {
  const cells = asInThePaper.filter(({ mode, eps }) => mode === 'consecutive' && eps === 0.16);
  const several = await reportOf(cellsOf(cells, { epochs: 3 }), 'made up');
  expect(several.panels.map(({ id }) => id)).toEqual(['figure-3a', 'figure-3b']);
  const one = await reportOf(cellsOf(cells, { epochs: 1 }), 'made up');
  expect(one.panels).toEqual([]);
});

it('ticks are named where they have room, the important ones first', () => {
  expect(ticksWithRoom([0, 1, 2, 30, 60], [2], (x) => x, 10)).toEqual([2, 30, 60]);
  expect(ticksWithRoom([0, 20, 60], [7], (x) => x, 10)).toEqual([0, 20, 60]);
});

describe('results', () => {
  it.each([
    ['{', 'x.json: is not JSON; restore the original file'],
    ['{"schema":1}', 'x.json: is neither a result nor an evaluation of a run'],
    ['{"schema":1,"runs":[]}', 'x.json: config: Invalid input: expected object, received undefined; restore'],
    [
      '{"schema":2,"runs":[]}',
      'x.json: schema 2 is of a newer version of Sparring than this one, which knows 1',
    ],
  ])('are refused in one line: %s', (text, message) => {
    expect(() => parseInput(text, 'x.json')).toThrow(message);
  });

  it('may hold fields of a later version', () => {
    const plain = JSON.parse(resultJson(asInThePaper)) as Result;
    const later = {
      ...plain,
      verdict: 'none',
      config: { ...plain.config, schedule: 'cosine' },
      runs: plain.runs.map((run) => ({ ...run, worst: 0.1 })),
    };
    expect(parseInput(JSON.stringify(later), 'x.json').results[0]!.result).toEqual(plain);
  });

  it('are refused when two hold the same cell with other numbers', () => {
    const inputs = [
      parseInput(resultJson(asInThePaper), 'made-up.json'),
      parseInput(resultJson(asInThePaper.slice(3, 4), { epochs: 5 }), 'other.json'),
    ];
    expect(() => joinInputs(inputs)).toThrow(
      'consecutive eps 0.08 seed 1, unclipped, tanh bound is in made-up.json and in other.json; leave one of them out',
    );
  });
});

it('labels are moved apart, in order and within the limits', () => {
  expect(spreadOut([50, 10, 52, 200], 12, [0, 100])).toEqual([50, 10, 62, 100]);
  expect(spreadOut([99, 98, 97], 12, [0, 100])).toEqual([100, 88, 76]);
});

/** WCAG 2.1's contrast ratio. */
function contrast(a: string, b: string): number {
  const luminance = (hex: string): number => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const level = parseInt(hex.slice(at, at + 2), 16) / 255;
      return level <= 0.03928 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [dark, light] = [luminance(a), luminance(b)].sort((p, q) => p - q);
  return (light! + 0.05) / (dark! + 0.05);
}

it.each(['light', 'dark'] as const)('lines can be seen in the %s scheme', (scheme) => {
  const { surface, raised: _, rule: __, ink, muted, ...lines } = theme[scheme];
  for (const [name, line] of Object.entries(lines))
    expect(contrast(line, surface!), `${name}`).toBeGreaterThan(3);
  for (const text of [ink!, muted!]) expect(contrast(text, surface!)).toBeGreaterThan(4.5);
});
