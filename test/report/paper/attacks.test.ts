import { describe, expect, it } from 'vitest';
import { curvePanels } from '../../../src/report/paper/attacks.ts';
import { headline } from '../../../src/report/paper/headline.ts';
import { renderReport } from '../../../src/report/paper/index.ts';
import type { Defence } from '../../../src/models/adversarial.ts';
import { joinInputs, parseInput, type Inputs } from '../../../src/report/paper/inputs.ts';
import { renderMarkdown } from '../../../src/report/paper/markdown.ts';
import { threatModels } from '../../../src/report/paper/results.ts';
import type { Withstand } from '../../../src/runtime/experiment/withstand.ts';
import { evaluationOf } from '../../support/evaluations.ts';
import { asInThePaper, modelsOf, resultJson, type MadeUp } from '../../support/results.ts';

const some = asInThePaper.filter(({ eps }) => eps === 0.08 || eps === 0.16);
const evaluation = evaluationOf(some);
const inputs = joinInputs([
  parseInput(resultJson(some), 'results/result.json'),
  parseInput(JSON.stringify(evaluation), 'results/evaluation.json'),
]);
const page = async (): Promise<string> => {
  const threats = threatModels(inputs.cells).map((each) => ({ ...each, intensities: [], missing: [] }));
  return (await renderReport(threats, inputs.evaluations, 'made up')).page;
};

describe('the report of an evaluation', () => {
  it('begins with its warnings', async () => {
    const text = await page();
    const [warning] = evaluation.warnings;
    expect(text.indexOf(warning!.message)).toBeGreaterThan(0);
    expect(text.indexOf(warning!.message)).toBeLessThan(text.indexOf('Threat model'));
  });

  it('has every attack, the worst case and the matrix', async () => {
    const text = await page();
    for (const word of ['noise', 'FGSM', 'PGD-40', 'attacker', 'worst case'])
      expect(text).toContain(`>${word}</th>`);
    expect(text).toMatch(/10\.0 % <span class="interval">\[9\.4, 10\.6\]<\/span>/);
    expect(text).toContain('Cross-attack matrix');
    expect(text.match(/--lost:/g)!.length).toBeGreaterThan(4 * 8);
  });

  it('says where nothing was evaluated how to do it', async () => {
    const threats = threatModels(inputs.cells).map((each) => ({ ...each, intensities: [], missing: [] }));
    const text = (await renderReport(threats, [], 'made up')).page;
    expect(text).toMatch(
      /Not measured: FGSM, PGD, the worst case, accuracy against eps\. Run\s+<code>npx -y pnpm@10 evaluate results<\/code>/,
    );
  });

  it("draws a classifier's curves with the attackers that were trained against it, and no others", () => {
    const [c1, c2] = curvePanels(evaluation, 'curve-');
    expect([c1!.id, c2!.id]).toEqual(['curve-1', 'curve-2']);
    expect(c1!.title).toBe('C1 of consecutive-eps0.08-seed1, white-box, unclipped');
    // two consecutive cells share this C1; the alternating cells have others
    expect(c1!.svg).toContain('attacker: 20.0 % at 0.08, 12.0 % at 0.16;');
    for (const name of ['noise', 'FGSM', 'PGD-40', 'attacker', 'worst case']) {
      expect(c1!.svg).toContain(`>${name}</text>`);
    }
  });
});

describe('warnings', () => {
  it('of one kind stand together with their number', async () => {
    const warning = { ...evaluation.warnings[0]!, folder: 'another' };
    const other = { ...warning, check: 'curve-rises' as const };
    const warnings = [...evaluation.warnings, other, warning];
    const threats = threatModels(inputs.cells).map((each) => ({ ...each, intensities: [], missing: [] }));
    const named = { evaluation: { ...evaluation, warnings }, source: 'results/evaluation.json' };
    const text = (await renderReport(threats, [named], 'made up')).page;
    expect([...text.matchAll(/<strong>(\d+) ×<\/strong>/g)].map(([, n]) => n)).toEqual(['2', '1']);
    expect(text).toContain('3 warnings');
  });
});

describe('who withstands whom', () => {
  const measure = (accuracy: number) => ({
    accuracy,
    interval: { low: accuracy - 0.02, high: accuracy + 0.02 },
  });
  const under = (accuracy: number, ...command: readonly string[]) => ({
    ...measure(accuracy),
    images: 500,
    command: [...command],
  });
  const withstand: Withstand = {
    schema: 1,
    environment: evaluation.environment,
    data: { source: 'mnist', sha256: '0'.repeat(64) },
    withstands: [
      {
        folder: 'hardened-eps0.16-seed1',
        mode: 'hardened',
        eps: 0.16,
        seed: 1,
        model: '1'.repeat(64),
        clean: measure(0.97),
        under: { own: under(0.95, 'evaluate', 'my run'), standard: under(0.88, 'audit', 'c1.onnx') },
      },
      {
        folder: 'consecutive-eps0.16-seed1',
        mode: 'consecutive',
        eps: 0.16,
        seed: 1,
        model: inputs.cells.find(({ mode }) => mode === 'consecutive')!.models.c1,
        clean: measure(0.98),
        under: { own: under(0.1, 'evaluate', 'my run') },
      },
    ],
  };
  const joined = joinInputs([inputs, parseInput(JSON.stringify(withstand), 'results/withstand.json')]);

  it('is a table, a figure and the command of every number, the undefended C1 first', async () => {
    const threats = threatModels(joined.cells).map((each) => ({ ...each, intensities: [], missing: [] }));
    const { page: text, panels } = await renderReport(threats, joined.evaluations, 'made up', joined);
    expect(text).toContain('<a href="#withstand">Who withstands whom</a>');
    expect(text).toContain("npx -y pnpm@10 sparring evaluate 'my run'".replaceAll("'", '&#39;'));
    const { svg } = panels.find(({ id }) => id === 'withstand')!;
    expect(svg).toContain(
      'undefended: 98.0 % clean, 10.0 % own A; hardened: 97.0 % clean, 95.0 % own A, 88.0 % standard',
    );
  });

  it('stands in the Markdown, with what was not measured', () => {
    const text = renderMarkdown(joined, 'results');
    expect(text).toContain('| C1 | eps | training | clean | own A | standard |');
    expect(text).toContain(
      '| undefended | 0.16 | 20 + 20 epochs, 60,000 images | 98.0 % [96.0, 100.0] | 10.0 % [8.0, 12.0] | not measured |',
    );
    expect(text).toContain(
      '| hardened-eps0.16-seed1 | standard | 500 | `npx -y pnpm@10 sparring audit c1.onnx` |',
    );
  });
});

describe('hardened cells of two defences', () => {
  const plain: MadeUp = { mode: 'consecutive', eps: 0.16, c1: 0.12, c2: 0.5 };
  const cellsOf = (defence: Defence, c1: number): readonly MadeUp[] => [
    plain,
    { mode: 'hardened', eps: 0.16, c1, c2: 0.6, defence },
  ];
  const interval = { low: 0, high: 1 };
  const withstandOf = (
    source: string,
    cells: readonly MadeUp[],
    pgd: readonly number[],
    more: Partial<Withstand> = {},
  ): Inputs => {
    const withstand: Withstand = {
      schema: 1,
      environment: evaluation.environment,
      data: { source: 'mnist', sha256: '0'.repeat(64) },
      withstands: cells.map(({ mode, eps, ...cell }, i) => ({
        folder: `${mode}-eps${eps}-seed1`,
        mode,
        eps,
        seed: 1,
        model: modelsOf({ mode, eps, ...cell }).c1,
        clean: { accuracy: 0.98, interval },
        under: { pgd: { accuracy: pgd[i]!, interval, images: 500, command: ['evaluate', source] } },
      })),
      ...more,
    };
    return parseInput(JSON.stringify(withstand), `${source}/withstand.json`);
  };
  const [a, b] = [cellsOf('trades', 0.9), cellsOf('pgd', 0.8)];
  const evaluated = (cells: readonly MadeUp[], source: string): Inputs =>
    parseInput(JSON.stringify(evaluationOf(cells)), `${source}/evaluation.json`);
  const results = [parseInput(resultJson(a), 'A/result.json'), parseInput(resultJson(b), 'B/result.json')];
  const both = joinInputs([
    ...results,
    withstandOf('A', a, [0.01, 0.72]),
    withstandOf('B', b, [0.01, 0.64]),
    evaluated(a, 'A'),
    evaluated(b, 'B'),
  ]);
  const render = (joined: Inputs) => {
    const threats = threatModels(joined.cells).map((each) => ({ ...each, intensities: [], missing: [] }));
    return renderReport(threats, joined.evaluations, 'made up', joined);
  };

  it('stand in one table, each under its defence, with the C1 of both runs once', () => {
    const text = renderMarkdown(both, '.');
    expect(text).toContain('## Who withstands whom (A/withstand.json and B/withstand.json)');
    const rows = text.split('\n').filter((line) => line.includes('| 98.0 % [0.0, 100.0] |'));
    expect(rows.map((row) => row.split(' | ').toSpliced(3, 1).join())).toEqual([
      '| undefended,0.16,20 + 20 epochs, 60,000 images,1.0 % [0.0, 100.0] |',
      '| hardened (pgd),0.16,20 + 4 + 20 epochs, 60,000 images,64.0 % [0.0, 100.0] |',
      '| hardened (trades),0.16,20 + 4 + 20 epochs, 60,000 images,72.0 % [0.0, 100.0] |',
    ]);
    for (const [method, run] of [
      ['trades', 'A'],
      ['pgd', 'B'],
    ] as const) {
      const command = `\`npx -y pnpm@10 sparring evaluate ${run}\``;
      expect(text).toContain(`| hardened-eps0.16-seed1 (${method}) | PGD-40 | 500 | ${command} |`);
    }
  });

  it('stand in one figure, told apart by colour and by name', async () => {
    const { panels } = await render(both);
    const drawn = panels.filter(({ id }) => id.startsWith('withstand'));
    expect(drawn.map(({ id }) => id)).toEqual(['withstand']);
    const { svg } = drawn[0]!;
    expect(svg).toContain(
      'undefended: 98.0 % clean, 1.0 % PGD-40; hardened (pgd): 98.0 % clean, 64.0 % PGD-40; ' +
        'hardened (trades): 98.0 % clean, 72.0 % PGD-40',
    );
    const colourOf = (name: string) => svg.match(new RegExp(`fill="([^"]+)"[^>]*>(<[^>]+>)*${name}<`))?.[1];
    const colours = [String.raw`hardened \(pgd\)`, String.raw`hardened \(trades\)`].map(colourOf);
    expect(colours).toEqual(['var(--green)', 'var(--purple)']);
  });

  it('have lines of their own in every other table, and names of their own', async () => {
    const { page: text } = await render(both);
    // a line of the overview each, not one with the range of both
    expect(text).toContain('90.0 %');
    expect(text).not.toContain('80.0 to 90.0 %');
    for (const method of ['pgd', 'trades']) {
      const own = `hardened-eps0.16-seed1 (${method})`;
      // overview, withstand, every cell
      expect(text.split(`>hardened (${method})</th>`)).toHaveLength(4);
      expect(text).toContain(`${own}, unclipped`);
      // its command, C1 and C2 under attack
      expect(text.split(`>${own}</th>`)).toHaveLength(4);
    }
  });

  it('are rejected where two results hold the same cell of one defence', () => {
    const other = parseInput(resultJson(cellsOf('pgd', 0.7)), 'C/result.json');
    expect(() => joinInputs([...results, other])).toThrow(
      'hardened (pgd) eps 0.16 seed 1, unclipped, tanh bound is in B/result.json and in C/result.json; leave one of them out',
    );
  });

  it('are named after their files as well where these measured the same C1 differently', async () => {
    const { panels } = await render(
      joinInputs([...results, withstandOf('A', a, [0.01, 0.72]), withstandOf('B', b, [0.02, 0.64])]),
    );
    expect(panels.find(({ id }) => id === 'withstand')!.svg).toContain(
      'undefended, A: 98.0 % clean, 1.0 % PGD-40; undefended, B: 98.0 % clean, 2.0 % PGD-40; hardened (pgd): ',
    );
  });

  it('have figures of their own where the data is another', async () => {
    const data = { source: 'other', sha256: '1'.repeat(64) };
    const { panels } = await render(
      joinInputs([
        ...results,
        withstandOf('A', a, [0.01, 0.72]),
        withstandOf('B', b, [0.01, 0.64], { data }),
      ]),
    );
    const ids = panels.map(({ id }) => id).filter((id) => id.startsWith('withstand'));
    expect(ids).toEqual(['withstand-1', 'withstand-2']);
  });
});

describe('curves over eps', () => {
  const [c1] = curvePanels(
    {
      ...evaluation,
      curves: evaluation.curves.map((curve) => ({ ...curve, points: curve.points.slice(1) })),
    },
    'curve-',
  );

  it('begin with the clean accuracy at eps 0 where that was not measured as a point', () => {
    for (const attack of ['noise', 'FGSM', 'PGD-40']) expect(c1!.svg).toContain(`${attack}: 99.0 % at 0,`);
  });

  it('name measured eps on their axis, the trained ones always', () => {
    const ticks = [...c1!.svg.matchAll(/>(0(?:\.\d+)?)<\/text>/g)].map(([, tick]) => Number(tick));
    expect(ticks).toEqual(expect.arrayContaining([0.08, 0.16]));
    for (const tick of ticks) expect([0, 0.02, 0.08, 0.16, 0.32, 0.64]).toContain(tick);
  });

  it('are one image with one name', () => {
    expect(c1!.svg.match(/aria-label(?!ledby)|aria-description/g)).toBeNull();
    expect(c1!.svg).toMatch(/^<svg [^>]*role="img"/);
    expect(c1!.svg).toMatch(/^<svg [^>]*aria-labelledby="curve-1-title curve-1-desc"/);
  });
});

describe('the headline', () => {
  const cells = joinInputs([
    parseInput(resultJson(some.slice(0, 1), { clip: false }), 'run/result.json'),
  ]).cells;

  it('has clean accuracy, accuracy under the attacker and in the worst case, eps and range', () => {
    expect(headline(cells, 'c1', inputs.evaluations)).toBe(
      'C1: 99.0 % clean, 20.0 % under the attacker, 8.0 % in the worst case; eps 0.08, unclipped',
    );
  });

  it('has no worst case where none was measured', () => {
    expect(headline(cells, 'c1', [])).toBe(
      'C1: 99.0 % clean, 20.0 % under the attacker; eps 0.08, unclipped',
    );
  });

  it('has the range of several cells', () => {
    expect(headline(inputs.cells, 'c1', inputs.evaluations)).toBe(
      'C1: 99.0 % clean, 12.0 to 70.0 % under the attacker, 4.8 to 28.0 % in the worst case; eps 0.08 and 0.16, unclipped',
    );
  });
});

describe('the Markdown table', () => {
  const text = renderMarkdown(inputs, 'results');
  const row = (start: string): string => text.split('\n').find((line) => line.startsWith(start))!;

  it('has what the paper says, what was measured, whether it was reproduced, and what is missing', () => {
    expect(row('| 3 | t = 0.08')).toContain(
      '✓ 20.0 % (95 % interval 19.2 to 20.8) (C1 within 10.0 points of 20.0 %)',
    );
    expect(row('| 3 | t = 0.08')).toContain('| **yes** | one seed | `consecutive-eps0.08-seed1` |');
    expect(row('| 3 | t = 0.04')).toContain('not measured: consecutive 0.04 | **not measured** |');
    expect(row('| 3 | With larger t')).toContain('not measured: consecutive 0.32 and consecutive 0.64');
  });

  it('has the command of every cell beside its figures', () => {
    expect(row('| alternating | 0.16')).toContain(
      '`npx -y pnpm@10 train --mode alternating --eps 0.16 --bound tanh --no-clip --seed 1 --batch-size 100 --classifier-epochs 5 --attacker-epochs 20 --learning-rate 0.001 --device cpu --threads 2`',
    );
  });

  it('has what every attack leaves, the warnings, and where it all came from', () => {
    expect(text).toContain(`**Warning**: consecutive-eps0.08-seed1, C1: ${evaluation.warnings[0]!.message}`);
    expect(row('| consecutive-eps0.08-seed1 | unclipped | C1, white-box')).toContain(
      '| 10.0 % [9.4, 10.6] |',
    );
    expect(row('| [result.json](result.json)')).toContain('f'.repeat(40));
  });

  it('has as many columns in every row of a table as in its head', () => {
    const columns = (line: string): number => line.replaceAll(String.raw`\|`, '').split('|').length;
    const tables = text.split('\n\n').filter((block) => block.startsWith('|'));
    expect(tables.length).toBeGreaterThan(4);
    for (const table of tables) {
      expect(new Set(table.trimEnd().split('\n').map(columns)).size).toBe(1);
    }
  });
});
