import { curvePanels, withTitles, type NamedEvaluation } from './attacks.ts';
import type { Panel } from '../kit/chart.ts';
import { paperFigures } from './figures.ts';
import { slug } from '../kit/format.ts';
import { judge } from './judge.ts';
import { renderPage, type Report } from './page.ts';
import { shownFigures } from './paper.ts';
import { perturbationFigure, type Intensity } from './perturbations.ts';
import { plotToPng, standaloneSvg } from '../kit/plot.ts';
import type { ThreatModel } from './results.ts';
import { threatName } from './results.ts';
import { withstandGroups, withstandPanels, type NamedWithstand } from './withstand.ts';

/** What figure 2 is drawn from. */
export interface Perturbations {
  readonly intensities: readonly Intensity[];
  /** Why some are not there. */
  readonly missing: readonly string[];
}

/** A report: the page, which needs nothing else, and the figures that stand in it. */
export interface RenderedReport {
  readonly page: string;
  readonly panels: readonly Panel[];
}

/**
 * Makes the report of some cells.
 *
 * @param threats as `threatModels` gives them, one at least.
 * @param evaluations what other attacks than the trained ones left, where that was measured.
 * @param title what the page is called.
 * @param more pictures and confusion matrices of the cells that have some, and which of them withstand whom.
 */
export async function renderReport(
  threats: readonly (ThreatModel & Perturbations)[],
  evaluations: readonly NamedEvaluation[],
  title: string,
  {
    samples = [],
    confused = [],
    withstands = [],
  }: Partial<Pick<Report, 'samples' | 'confused'>> & { readonly withstands?: readonly NamedWithstand[] } = {},
): Promise<RenderedReport> {
  const parts = threats.map((threat, i) => {
    // tells the figures of several threat models in one page apart
    const suffix = i === 0 ? '' : `-${slug(threatName(threat))}-`;
    const two = perturbationFigure(`figure-2${suffix}`, threat.intensities, threat.missing);
    return {
      threat,
      judgements: judge(threat, evaluations),
      figures: [two, ...paperFigures(threat, suffix)],
    };
  });
  const cells = threats.flatMap((threat) => threat.cells);
  const measured = evaluations.map((each, i) => {
    const titled = withTitles(each, cells);
    const id = evaluations.length === 1 ? 'curve-' : `curve-${i + 1}-`;
    return { ...titled, panels: curvePanels(titled.evaluation, id) };
  });
  const groups = withstandGroups(withstands, cells);
  const withstood = groups.map((group, i) => ({
    ...group,
    panels: withstandPanels(group, groups.length === 1 ? 'withstand' : `withstand-${i + 1}`),
  }));
  return {
    page: await renderPage({ title, parts, evaluations: measured, withstands: withstood, samples, confused }),
    panels: [...parts.flatMap(shownFigures), ...measured, ...withstood].flatMap(({ panels }) => panels),
  };
}

/** A figure's files by name: SVG with its own colours, light and dark, and PNG. */
export const panelFiles = async ({ id, svg }: Panel): Promise<ReadonlyMap<string, string | Uint8Array>> =>
  new Map<string, string | Uint8Array>([
    [`${id}.svg`, standaloneSvg(svg)],
    [`${id}.png`, await plotToPng(svg)],
  ]);
