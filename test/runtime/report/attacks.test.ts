import { describe, expect, it } from 'vitest';
import { curvePanels } from '../../../src/runtime/report/attacks.ts';
import { renderReport } from '../../../src/runtime/report/index.ts';
import { joinInputs, parseInput } from '../../../src/runtime/report/inputs.ts';
import { renderMarkdown } from '../../../src/runtime/report/markdown.ts';
import { threatModels } from '../../../src/runtime/report/results.ts';
import { evaluationOf } from '../../support/evaluations.ts';
import { asInThePaper, resultJson } from '../../support/results.ts';

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
    expect(text).toContain('10.0 % [9.4, 10.6]');
    expect(text).toContain('Cross-attack matrix');
    expect(text.match(/--lost:/g)!.length).toBeGreaterThan(4 * 8);
  });

  it('says where nothing was evaluated how to do it', async () => {
    const threats = threatModels(inputs.cells).map((each) => ({ ...each, intensities: [], missing: [] }));
    const text = (await renderReport(threats, [], 'made up')).page;
    expect(text).toContain('Not measured in this run: FGSM, PGD');
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

describe('the Markdown table', () => {
  const text = renderMarkdown(inputs, 'results');
  const row = (start: string): string => text.split('\n').find((line) => line.startsWith(start))!;

  it('has what the paper says, what was measured, whether it holds, and what is missing', () => {
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
