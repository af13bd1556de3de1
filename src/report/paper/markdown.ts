import { relative } from 'node:path';
import { attackTable, describeAttack, withTitles, type NamedEvaluation } from './attacks.ts';
import { evaluationCommand, trainingCommand } from './command.ts';
import { thresholds } from './criteria.ts';
import { cellText, type DataTable } from '../kit/data-table.ts';
import { count, list, percent, points } from '../kit/format.ts';
import type { Inputs } from './inputs.ts';
import { judge, notOfThePaper, type Judgement } from './judge.ts';
import { cellData } from './provenance.ts';
import { threatModels, type Cell, type ThreatModel } from './results.ts';
import { threatName } from './results.ts';
import {
  opponentsText,
  withstandCommands,
  withstandGroups,
  withstandTable,
  type WithstandGroup,
} from './withstand.ts';

/**
 * The results as Markdown: what the paper says, what was measured, whether it was reproduced, and the command of every cell.
 *
 * @param folder where the text is to stand; sources are named from there.
 */
export function renderMarkdown({ cells, evaluations, withstands }: Inputs, folder: string): string {
  const near = (source: string): string => relative(folder, source).replaceAll('\\', '/');
  const blocks = [
    '# The paper, measured again',
    `Written by \`npx -y pnpm@10 report ${folder} --markdown\` from the JSON files beside it. Nothing here was typed by hand.`,
    ...threatModels(cells).flatMap((threat) => threatBlocks(threat, evaluations)),
    '## How the words are judged',
    judgedBy,
    '## Every cell',
    "Accuracy after the last epoch, with Wilson's 95 % interval over the test images. The command trains the cell again. It is reproducible bit for bit on the same commit, machine, device and thread count.",
    table(withCommands(cells)),
    ...withstandGroups(withstands, cells).flatMap((group) => withstandBlocks(group, near)),
    ...evaluations.flatMap((each) => evaluationBlocks(withTitles(each, cells), near(each.source))),
    '## Where the numbers come from',
    table(sources(cells, near)),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function threatBlocks(threat: ThreatModel, evaluations: readonly NamedEvaluation[]): readonly string[] {
  const judgements = judge(threat, evaluations);
  if (judgements.length === 0) {
    const given = threat.cells[0]!.config.against!;
    return [
      `## Measured beside the paper (${threatName(threat)})`,
      `${notOfThePaper} The classifier is \`${given.source}\`, SHA-256 \`${given.sha256}\`.`,
      table(cellData(threat.cells)),
    ];
  }
  return [
    `## The paper says, we measured, reproduced? (${threatName(threat)})`,
    ...(threat.clip
      ? ["Attacked images are clipped to [0, 1] here. The paper's figures are of unclipped images."]
      : []),
    table({
      head: ['figure', 'the paper says', 'we measured', 'reproduced?', 'notes', 'cells'],
      rows: judgements.map((each) => claimRow(each, threat)),
    }),
  ];
}

function claimRow(
  { claim, verdict, criteria, missing, caveats }: Judgement,
  { cells }: ThreatModel,
): string[] {
  const own = cells.filter((cell) =>
    claim.about.some(([mode, eps]) => cell.mode === mode && cell.eps === eps),
  );
  return [
    String(claim.figure),
    claim.paper,
    [
      ...criteria.map(({ demand, measured, holds }) => `${holds ? '✓' : '✗'} ${measured} (${demand})`),
      ...(missing.length === 0 ? [] : [`not measured: ${list(missing)}`]),
    ].join('<br>'),
    `**${verdict}**`,
    list(caveats) || '–',
    own.map(({ folder }) => `\`${folder}\``).join(' '),
  ];
}

const judgedBy = [
  'The paper gives most figures as "about", read off a curve. A claim is reproduced (yes) when all its parts hold, and in part when some do:',
  '',
  `- no effect: accuracy falls by at most ${points(thresholds.noEffect)}; hardly, almost unchanged, prevented: ${points(thresholds.hardly)}`,
  `- a notable fall: at least ${points(thresholds.notable)}; about x: within ${points(thresholds.about)} of x`,
  `- far stronger on C1 than on C2: at least ${points(thresholds.farStronger)} apart; clearly less: ${points(thresholds.clearly)}`,
  `- hardly better than guessing: at most ${percent(thresholds.guessing)}; most of the success: ${percent(thresholds.most)} of the fall`,
].join('\n');

function withCommands(cells: readonly Cell[]): DataTable {
  const { head, rows } = cellData(cells);
  return {
    head: [...head, 'command'],
    rows: rows.map((row, i) => [...row, `\`${trainingCommand(cells[i]!)}\``]),
  };
}

function evaluationBlocks({ evaluation }: NamedEvaluation, source: string): readonly string[] {
  const { matrix, warnings, attacks, data } = evaluation;
  return [
    `## Accuracy under attack (${source})`,
    ...warnings.map(
      ({ folder, classifier, message }) => `**Warning**: ${folder}, ${classifier.toUpperCase()}: ${message}`,
    ),
    `Accuracy on the first ${count(data.images, 'test image')}, with the 95 % interval in brackets. C2 is shown the images made for C1. In the worst case an image counts as right only if it is right under every attack. Step sizes are in parts of eps. Measured by \`${evaluationCommand(evaluation)}\`.`,
    attacks.map((attack) => `- ${describeAttack(attack)}`).join('\n'),
    table(attackTable(evaluation)),
    ...(matrix
      ? [
          `Cross-attack matrix: accuracy of the classifier in the column under the attacker in the row, on ${count(matrix.images, 'test image')}.`,
          table({
            head: [
              'attacker',
              ...matrix.classifiers.map(({ name, architecture }) => `${name} (${architecture})`),
            ],
            rows: [
              ['no attack', ...matrix.clean.map(({ accuracy }) => percent(accuracy))],
              ...matrix.attackers.map(({ name }, i) => [
                name,
                ...matrix.attacked[i]!.map(({ accuracy }) => percent(accuracy)),
              ]),
            ],
          }),
        ]
      : []),
  ];
}

function withstandBlocks(group: WithstandGroup, near: (source: string) => string): readonly string[] {
  const { files } = group;
  return [
    `## Who withstands whom (${list(files.map(({ source }) => near(source)))})`,
    `Accuracy of each C1 under each attacker, with the 95 % interval in brackets. ${opponentsText}`,
    table(withstandTable(group)),
    ...files.flatMap((file) => {
      const { head, rows } = withstandCommands(file);
      const which = files.length === 1 ? '' : ` of ${near(file.source)}`;
      return [
        `Each number${which} is measured again by its command, on so many test images:`,
        table({ head, rows: rows.map((row) => [...row.slice(0, -1), `\`${cellText(row.at(-1)!)}\``]) }),
      ];
    }),
  ];
}

const sources = (cells: readonly Cell[], near: (source: string) => string): DataTable => ({
  head: ['file', 'cells', 'commit', 'device', 'machine', 'ONNX Runtime', 'Node', 'seconds', 'data, SHA-256'],
  rows: [...new Set(cells.map(({ source }) => source))].map((source) => {
    const own = cells.filter((cell) => cell.source === source);
    const { environment, config } = own[0]!;
    return [
      `[${near(source)}](${near(source)})`,
      String(own.length),
      environment.commit ?? 'not a checkout',
      `${config.device}, ${count(config.threads, 'thread')}`,
      `${environment.cpu}, ${environment.platform}`,
      environment.onnxruntime,
      environment.node,
      String(environment.seconds),
      config.data.sha256,
    ];
  }),
});

/** A table of GitHub's Markdown; what would end a cell is escaped. */
function table({ head, rows }: DataTable): string {
  const line = (cells: DataTable['rows'][number]): string =>
    `| ${cells
      .map((cell) =>
        cellText(cell)
          .replaceAll('|', String.raw`\|`)
          .replaceAll('\n', ' '),
      )
      .join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
