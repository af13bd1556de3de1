import { curvePanels, type NamedEvaluation } from './attacks.ts';
import { paperFigures } from './figures.ts';
import { judge } from './judge.ts';
import { renderPage, type Report } from './page.ts';
import { perturbationFigure, type Intensity } from './perturbations.ts';
import { plotToPng, standaloneSvg } from './plot.ts';
import type { ThreatModel } from './results.ts';

/** The files of a report by name: `report.html`, which needs no other, and its figures as SVG and PNG. */
export type ReportFiles = ReadonlyMap<string, string | Uint8Array>;

/** What figure 2 is drawn from. */
export interface Perturbations {
  readonly intensities: readonly Intensity[];
  /** Why some are not there. */
  readonly missing: readonly string[];
}

/**
 * Makes the report of some cells.
 *
 * @param threats as `threatModels` gives them, one at least.
 * @param evaluations what other attacks than the trained ones left, where that was measured.
 * @param title what the page is called.
 */
export async function renderReport(
  threats: readonly (ThreatModel & Perturbations)[],
  evaluations: readonly NamedEvaluation[],
  title: string,
): Promise<ReportFiles> {
  const parts = threats.map((threat, i) => {
    // tells the figures of several threat models in one page apart
    const suffix = i === 0 ? '' : `-${threat.clip ? 'clipped' : 'unclipped'}-${threat.bound}-`;
    const two = perturbationFigure(`figure-2${suffix}`, threat.intensities, threat.missing);
    return { threat, judgements: judge(threat), figures: [two, ...paperFigures(threat, suffix)] };
  });
  const measured = evaluations.map((each, i) => ({
    ...each,
    panels: curvePanels(each.evaluation, evaluations.length === 1 ? 'curve-' : `curve-${i + 1}-`),
  }));
  const report: Report = { title, parts, evaluations: measured };
  const files = new Map<string, string | Uint8Array>([['report.html', await renderPage(report)]]);
  const figures = [...parts.flatMap((part) => part.figures), ...measured];
  for (const { id, svg } of figures.flatMap(({ panels }) => panels)) {
    files.set(`figures/${id}.svg`, standaloneSvg(svg));
    files.set(`figures/${id}.png`, await plotToPng(svg));
  }
  return files;
}
