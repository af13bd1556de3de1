import { paperFigures } from './figures.ts';
import { judge } from './judge.ts';
import { renderPage, type Report } from './page.ts';
import { plotToPng, standaloneSvg } from './plot.ts';
import { threatModels, type Cell } from './results.ts';

/** The files of a report by name: `report.html`, which needs no other, and its figures as SVG and PNG. */
export type ReportFiles = ReadonlyMap<string, string | Uint8Array>;

/**
 * Makes the report of some cells.
 *
 * @param cells one at least, no two of the same mode, eps, bound, range and seed.
 * @param title what the page is called.
 */
export async function renderReport(cells: readonly Cell[], title: string): Promise<ReportFiles> {
  const parts = threatModels(cells).map((threat, i) => ({
    threat,
    judgements: judge(threat),
    figures: paperFigures(
      threat,
      i === 0 ? '' : `-${threat.clip ? 'clipped' : 'unclipped'}-${threat.bound}-`,
    ),
  }));
  const report: Report = { title, parts, warnings: [] };
  const files = new Map<string, string | Uint8Array>([['report.html', await renderPage(report)]]);
  for (const { id, svg } of parts.flatMap(({ figures }) => figures.flatMap(({ panels }) => panels))) {
    files.set(`figures/${id}.svg`, standaloneSvg(svg));
    files.set(`figures/${id}.png`, await plotToPng(svg));
  }
  return files;
}
